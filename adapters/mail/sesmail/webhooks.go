package sesmail

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"time"

	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/ports"
)

const (
	// Tolerance is the largest age of a delivery. A delivery that is sent again has the time and the
	// signature of the first; SNS gives up after an hour at the latest. An event that arrives again within
	// that time is a duplicate.
	Tolerance = 70 * time.Minute
	// Ahead is how far the clock of SNS may be ahead of ours.
	Ahead = 5 * time.Minute
)

// Hook verifies webhooks in the format of Amazon SNS, to which SES publishes its events, for every
// account that has topics, and reads the mail events in them. The signature is in the body; its
// certificate is fetched from SNS in the region of the topic. Hook also confirms subscriptions of these
// topics, as SNS asks for.
//
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html and
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
type Hook struct {
	topics       map[string]topic // by ARN
	clock        ports.Clock
	fetch        fetch
	certificates map[string]*certificates // by host
}

// topic is a topic of SNS.
type topic struct {
	provider string
	host     string // of SNS in the region of the topic
}

// NewHook returns a Hook. The secrets of an account are the ARNs of its topics. It returns Invalid if
// one is not of this form, or shared by two accounts. It makes no call.
func NewHook(clock ports.Clock, accounts ...provider.Account) (provider.MailHook, error) {
	get, err := fetcher()
	if err != nil {
		return nil, err
	}
	return newHook(clock, get, accounts...)
}

func newHook(clock ports.Clock, get fetch, accounts ...provider.Account) (*Hook, error) {
	h := &Hook{topics: make(map[string]topic), clock: clock, fetch: get, certificates: make(map[string]*certificates)}
	if err := provider.Distinct(accounts...); err != nil {
		return h, err
	}
	for _, a := range accounts {
		for _, arn := range a.Secrets {
			region, ok := regionOf(arn)
			if !ok {
				return h, fault.New(fault.Invalid, "invalid_topic", "a webhook topic of "+a.Provider+" is no ARN of a topic of SNS")
			}
			t := topic{a.Provider, "sns." + region + ".amazonaws.com" + suffix(region)}
			h.topics[arn] = t
			if h.certificates[t.host] == nil {
				h.certificates[t.host] = newCertificates(clock, get)
			}
		}
	}
	return h, nil
}

// topicARN is the form of a standard topic. SES publishes to no other, and SNS posts the messages of no other
// to a URL.
var topicARN = regexp.MustCompile(`^arn:aws[a-z-]*:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)

// regionOf returns the region of a topic.
func regionOf(arn string) (region string, ok bool) {
	found := topicARN.FindStringSubmatch(arn)
	if found == nil || !regionName.MatchString(found[1]) {
		return "", false
	}
	return found[1], true
}

// The headers of a delivery. They are not signed.
const (
	headerTopic = "X-Amz-Sns-Topic-Arn"
	headerRaw   = "X-Amz-Sns-Rawdelivery"
)

// CheckHeaders implements ports.Verifier. The signature is in the body; the headers only tell of a
// delivery that can have no valid one.
func (h *Hook) CheckHeaders(get func(string) string) error {
	if arn := get(headerTopic); arn != "" {
		if _, known := h.topics[arn]; !known {
			return errTopic
		}
	}
	if get(headerRaw) == "true" {
		return provider.BadSignature("raw message delivery has no signature; turn it off for this subscription")
	}
	return nil
}

// envelope is the body of a delivery. The pointers are nil for what it does not have.
type envelope struct {
	Type             string
	MessageID        string `json:"MessageId"`
	TopicARN         string `json:"TopicArn"`
	Subject          *string
	Message          string
	Timestamp        string // RFC 3339
	Token            string
	SubscribeURL     string
	SignatureVersion string
	Signature        string // in base64
	SigningCertURL   string
}

// The types of deliveries.
const (
	typeNotification = "Notification"
	typeSubscribe    = "SubscriptionConfirmation"
	typeUnsubscribe  = "UnsubscribeConfirmation"
)

// Verify implements ports.Verifier. Before anything is fetched, the delivery must name a topic of an
// account, be recent, and have its certificate at SNS in the topic's region.
func (h *Hook) Verify(ctx context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	if err := h.CheckHeaders(get); err != nil {
		return nil, err
	}
	var e envelope
	if json.Unmarshal(body, &e) != nil {
		return nil, provider.BadSignature("the body is not a delivery of SNS")
	}
	t, known := h.topics[e.TopicARN]
	if !known {
		return nil, errTopic
	}
	at, err := time.Parse(time.RFC3339Nano, e.Timestamp)
	if err != nil {
		return nil, provider.BadSignature("the delivery has no time")
	}
	if age := h.clock.Now().Sub(at); age > Tolerance || age < -Ahead {
		return nil, provider.BadSignature("the time of the delivery is too far from ours")
	}
	if !t.hasCertificate(e.SigningCertURL) {
		return nil, provider.BadSignature("the certificate is not at SNS in the region of the topic")
	}
	key, err := h.certificates[t.host].key(ctx, e.SigningCertURL)
	if err != nil {
		return nil, err
	}
	if !e.signedWith(key) {
		return nil, provider.BadSignature("no signature matches")
	}
	switch e.Type {
	case typeNotification:
		return parse(t.provider, e, at.UTC())
	case typeSubscribe:
		return nil, h.confirm(ctx, t, e)
	case typeUnsubscribe:
		return nil, nil // nothing follows from the end of a subscription
	}
	return nil, errPayload
}

var errPayload = fault.New(fault.Invalid, "invalid_payload", "the delivery is signed, and is not an event of SES")

// confirm confirms a subscription. Unavailable: SNS must ask again.
func (h *Hook) confirm(ctx context.Context, t topic, e envelope) error {
	u, ok := t.at(e.SubscribeURL)
	if !ok || u.Path != "/" && u.Path != "" || u.Query().Get("Action") != "ConfirmSubscription" || u.Query().Get("TopicArn") != e.TopicARN {
		return fault.New(fault.Invalid, "invalid_payload", "the address that confirms the subscription is not at SNS in the region of the topic")
	}
	if _, err := h.fetch(ctx, e.SubscribeURL); err != nil {
		return fault.New(fault.Unavailable, "subscription_unconfirmed", "the subscription could not be confirmed")
	}
	return nil
}

// hasCertificate reports whether a URL may be that of a certificate for the topic.
func (t topic) hasCertificate(text string) bool {
	u, ok := t.at(text)
	return ok && u.RawQuery == "" && !u.ForceQuery && certificatePath.MatchString(u.EscapedPath())
}

// certificatePath is the form of the paths that SNS names.
var certificatePath = regexp.MustCompile(`^/SimpleNotificationService-[0-9a-f]{32}\.pem$`)

// at parses a URL. ok is false if it does not lead to SNS in the region of the topic, by https and
// nothing else.
func (t topic) at(text string) (u *url.URL, ok bool) {
	u, err := url.Parse(text)
	ok = err == nil && u.Scheme == "https" && u.Host == t.host && u.User == nil && u.Opaque == "" && u.Fragment == "" &&
		strings.HasPrefix(text, "https://"+t.host+"/")
	return u, ok
}

var errTopic = provider.BadSignature("no account has this topic")
