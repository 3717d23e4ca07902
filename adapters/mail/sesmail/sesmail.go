// Package sesmail is an account at Amazon SES in one region, by the API v2 over HTTP.
//
// A message is sent as MIME (Content.Raw of SendEmail), which carries everything that a message may have.
// SES replaces its Message-ID and its Date by its own. A template that the account stores is sent by its
// name and data (Content.Template).
//
// Of the AWS SDK for Go only the signer is used. Its client for SES retries, hides what was written, and
// reads an answer that is not SES's as any other. SendBulkEmail is not used: it may accept some of the
// copies of a batch and refuse others, and a Mailer returns one result.
//
// Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
package sesmail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/labels"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

var _ ports.Mailer = (*Mailer)(nil)

const (
	service  = "ses" // of the signature
	sendPath = "/v2/email/outbound-emails"
)

// The limits of a message. SES takes 40 MB "after base64 encoding", which is taken for the base64 of the
// whole message: files grow by more than a third in it, and then by a third again.
const (
	maxRecipients  = 50
	maxMIME        = 29_000_000 // bytes
	maxAttachments = 18_000_000 // bytes
)

// Options configures an account.
type Options struct {
	Name   string // as configured
	Region string // eu-west-1
	// The access key. SessionToken is that of temporary credentials, and otherwise empty.
	AccessKeyID, SecretAccessKey, SessionToken string
	// ConfigurationSet is the name of the configuration set for each message, empty for the account's own.
	ConfigurationSet string
	// FromARN is the ARN of the identity of another account that allows this one to send for it, or empty.
	FromARN string
	// Templates has the names of the templates that the account stores, by the names that messages give
	// them.
	Templates map[string]string
	// Tracking is what the configuration set tracks: SES is not told for each message.
	Tracking []email.Tracking
	Clock    ports.Clock // signs with its time
	// HTTP holds the base URL and the limits of requests. An empty BaseURL means that of the region.
	HTTP httpclient.Options
}

// Mailer is one account at SES. It does not retry, because SES has no idempotency keys.
type Mailer struct {
	Options
	base   string
	http   *http.Client
	signer *v4.Signer
}

// New returns a Mailer. It makes no call.
func New(o Options) (*Mailer, error) {
	if o.Name == "" || !regionName.MatchString(o.Region) || o.AccessKeyID == "" || o.SecretAccessKey == "" || o.Clock == nil {
		return nil, fault.New(fault.Invalid, "missing_setting", "an account at Amazon SES needs a name, a region, an access key and a clock")
	}
	if o.HTTP.BaseURL == "" {
		o.HTTP.BaseURL = endpoint(o.Region)
	}
	client, err := httpclient.New(o.HTTP)
	if err != nil {
		return nil, fmt.Errorf("sesmail: %w", err)
	}
	return &Mailer{Options: o, http: client.HTTP(), base: strings.TrimSuffix(o.HTTP.BaseURL, "/"), signer: v4.NewSigner()}, nil
}

// endpoint returns the URL of SES in a region.
func endpoint(region string) string {
	return "https://email." + region + ".amazonaws.com" + suffix(region)
}

// suffix returns what follows amazonaws.com in the names of hosts in a region.
func suffix(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return ".cn"
	}
	return ""
}

// Name implements ports.Mailer.
func (s *Mailer) Name() string { return s.Options.Name }

// Features implements ports.Mailer. Tags and metadata are message tags of SES. SES does not support
// SMTPUTF8.
func (s *Mailer) Features() email.Features {
	return email.Features{
		Attachments: true, Inline: true, Headers: true, Tags: email.MaxTags, Metadata: true, MultiReply: true, OnlyBcc: true,
		Labels: labels.Fit, MIME: true, MaxMIME: maxMIME, MaxRecipients: maxRecipients, MaxAttachments: maxAttachments,
		Templates: func(template string) bool { return s.Templates[template] != "" }, Tracking: s.Tracking,
	}
}

// Send implements ports.Mailer.
func (s *Mailer) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if err := s.Features().Carry(m); err != nil {
		return email.Receipt{}, err
	}
	if err := m.CheckLines(); err != nil {
		return email.Receipt{}, err
	}
	body, err := s.requestOf(m)
	if err != nil {
		return email.Receipt{}, err
	}
	ctx, x := httpclient.Record(ctx)
	req, err := s.signed(ctx, body)
	if err != nil {
		return email.Receipt{}, s.annotate(fault.Wrap(fault.Invalid, "", httpclient.Redact(err)))
	}
	var answer []byte
	resp, err := s.http.Do(req)
	if err == nil {
		answer, err = io.ReadAll(resp.Body) // to its end, so that the connection can be used again
		_ = resp.Body.Close()
	}
	id := acceptedID(answer)
	if f := s.failure(m, x, id, err); f != nil {
		return email.Receipt{}, f
	}
	return email.Receipt{Reference: id}, nil
}

// signed returns the request with this body, signed (Signature Version 4).
func (s *Mailer) signed(ctx context.Context, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+sendPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	key := aws.Credentials{AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, SessionToken: s.SessionToken}
	sum := sha256.Sum256(body)
	return req, s.signer.SignHTTP(ctx, key, req, hex.EncodeToString(sum[:]), service, s.Region, s.Clock.Now())
}

// acceptedID returns the id in the answer to a message that SES has accepted, or "".
func acceptedID(answer []byte) string {
	var accepted struct {
		MessageID string `json:"MessageId"`
	}
	if json.Unmarshal(answer, &accepted) != nil {
		return ""
	}
	return accepted.MessageID
}
