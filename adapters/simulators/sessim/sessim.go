// Package sessim simulates Amazon SES: it takes mail as the API v2 does, verifies the signature of each
// request by code of its own, refuses what SES refuses, stores templates and renders them, delivers into a
// mailbox, and fails on demand. It signs events as Amazon SNS does.
package sessim

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
)

// Options are the options of an account. Zero means the default.
type Options struct {
	KeyID  string // AKIA…; a random one by default
	Secret string // a random one by default
	Token  string // of temporary credentials, empty for those that last
	Region string // us-east-1 by default
	// Identities are the addresses and domains that are verified. If it is nil, every address is.
	Identities []string
	// Sandbox means that mail goes to verified addresses and the mailbox simulator only.
	Sandbox bool
	// ConfigurationSets are the names of the configuration sets. If it is nil, every name is one.
	ConfigurationSets []string
	// Now is the clock by which signatures expire; time.Now by default.
	Now func() time.Time
}

// Sim is one account at SES, in one region.
type Sim struct {
	*faultserver.Server
	mailbox.Mailbox
	templates
	options Options
}

// Start opens an account and serves it until the test ends.
func Start(t faultserver.T, o Options) *Sim {
	t.Helper()
	s := New(o)
	s.Server = faultserver.Start(t, s)
	return s
}

// New opens an account without a server. It is called directly as an http.Handler.
func New(o Options) *Sim {
	if o.KeyID == "" {
		o.KeyID = "AKIA" + rand.Text()[:16]
	}
	if o.Secret == "" {
		o.Secret = rand.Text() + "/" + rand.Text()
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sim{options: o}
}

// KeyID returns the id of the access key.
func (s *Sim) KeyID() string { return s.options.KeyID }

// Key returns the secret access key.
func (s *Sim) Key() string { return s.options.Secret }

// Region returns the region of the account.
func (s *Sim) Region() string { return s.options.Region }

// path is that of the operation SendEmail.
const path = "/v2/email/outbound-emails"

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		refuse(w, &wrong{http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "Request entity too large."})
		return
	}
	if err != nil {
		return // it did not arrive completely
	}
	if bad := s.authenticate(r, body); bad != nil {
		refuse(w, bad)
		return
	}
	switch {
	case r.URL.Path == templatesPath || strings.HasPrefix(r.URL.Path, templatesPath+"/"):
		s.serveTemplates(w, r, body)
		return
	case r.URL.Path != path:
		refuse(w, &wrong{http.StatusNotFound, "UnknownOperationException", "Unable to determine service/operation name to be authorized"})
		return
	case r.Method != http.MethodPost:
		refuse(w, &wrong{http.StatusMethodNotAllowed, "UnknownOperationException", "Unable to determine service/operation name to be authorized"})
		return
	}
	id, bad := s.send(body)
	if bad != nil {
		refuse(w, bad)
		return
	}
	respond(w, http.StatusOK, map[string]any{"MessageId": id})
}

// authenticate checks who signed a request.
func (s *Sim) authenticate(r *http.Request, body []byte) *wrong {
	o := s.options
	c, bad := signatureOf(r)
	switch {
	case bad != nil:
		return bad
	case c.keyID != o.KeyID, r.Header.Get("X-Amz-Security-Token") != o.Token:
		return &unknownKey
	case c.region != o.Region, c.service != service:
		return &wrong{http.StatusForbidden, "InvalidSignatureException", "Credential should be scoped to a valid region."}
	}
	return c.check(r, body, o.Secret, o.Now())
}

// send takes a message, and returns its id.
func (s *Sim) send(body []byte) (string, *wrong) {
	e, bad := parse(body)
	if bad != nil {
		return "", bad
	}
	if bad := e.check(); bad != nil {
		return "", bad
	}
	if set := e.ConfigurationSetName; set != "" && s.options.ConfigurationSets != nil && !slices.Contains(s.options.ConfigurationSets, set) {
		return "", &wrong{http.StatusNotFound, "NotFoundException", "Configuration set <" + set + "> does not exist."}
	}
	id := s.newID()
	message, bad := s.message(&e, id)
	if bad != nil {
		return "", bad
	}
	if bad := s.checkIdentities(e); bad != nil {
		return "", bad
	}
	if message == nil { // it cannot be rendered, which an event tells
		return id, nil
	}
	if err := s.Deliver(*message); err != nil {
		return "", badRequest("The message cannot be read.")
	}
	return id, nil
}

// newID returns an id in the form of those of SES.
func (s *Sim) newID() string {
	var b [22]byte
	_, _ = rand.Read(b[:]) // it never fails
	return fmt.Sprintf("0100%x-%x-%x-%x-%x-%x-000000", b[:6], b[6:10], b[10:12], b[12:14], b[14:16], b[16:])
}

// messageID is the Message-ID that SES gives to a message.
func (s *Sim) messageID(id string) string {
	if s.options.Region == "us-east-1" {
		return id + "@email.amazonses.com"
	}
	return id + "@" + s.options.Region + ".amazonses.com"
}

// checkIdentities checks that the sender, and in the sandbox each recipient, is verified.
func (s *Sim) checkIdentities(e email) *wrong {
	if s.options.Identities == nil {
		return nil
	}
	checked := []string{e.sender}
	if s.options.Sandbox {
		checked = append(checked, e.Destination.everybody()...)
	}
	failed := slices.DeleteFunc(checked, func(address string) bool {
		_, domain, _ := strings.Cut(address, "@")
		return slices.Contains(s.options.Identities, address) || slices.Contains(s.options.Identities, domain) ||
			address != e.sender && domain == "simulator.amazonses.com"
	})
	if len(failed) == 0 {
		return nil
	}
	return unverified(s.options.Region, failed...)
}

// wrong is an error in a request, as SES describes it.
type wrong struct {
	status        int
	name, message string
}

func (e *wrong) body() map[string]any { return map[string]any{"message": e.message} }

func refuse(w http.ResponseWriter, e *wrong) {
	w.Header().Set("X-Amzn-Errortype", e.name)
	respond(w, e.status, e.body())
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", requestID())
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func badRequest(message string) *wrong {
	return &wrong{http.StatusBadRequest, "BadRequestException", message}
}

var unknownKey = wrong{http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid."}

func unverified(region string, identities ...string) *wrong {
	return &wrong{
		http.StatusBadRequest, "MessageRejected", "Email address is not verified. The following identities failed the check in region " +
			strings.ToUpper(region) + ": " + strings.Join(identities, ", "),
	}
}
