// Package sendgridsim simulates SendGrid: it accepts mail as SendGrid's API v3 does, stores dynamic
// templates, refuses what that refuses, delivers into a mailbox, and fails on demand.
package sendgridsim

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
)

// Options are the options of an account. Zero means the default.
type Options struct {
	Key string // the API key; a random one by default
	// Senders are the verified addresses. If it is nil, every address is verified.
	Senders []string
	// Check is a further check of the bodies of requests. It may be nil.
	Check func(body []byte) error
}

// Sim is one account at SendGrid.
type Sim struct {
	*faultserver.Server
	mailbox.Mailbox
	templates
	key     string
	senders []string
	check   func(body []byte) error
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
	s := &Sim{key: o.Key, senders: o.Senders, check: o.Check}
	if s.check == nil {
		s.check = func([]byte) error { return nil }
	}
	if s.key == "" {
		s.key = "SG." + rand.Text()
	}
	return s
}

// Key returns the account's API key.
func (s *Sim) Key() string { return s.key }

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	stored := strings.HasPrefix(r.URL.Path, "/v3/templates")
	switch {
	case r.URL.Path != "/v3/mail/send" && !stored:
		refuse(w, http.StatusNotFound, "not found", "")
		return
	case r.Method != http.MethodPost && !stored:
		refuse(w, http.StatusMethodNotAllowed, "method not allowed", "")
		return
	case r.Header.Get("Authorization") != "Bearer "+s.key:
		refuse(w, http.StatusUnauthorized, "The provided authorization grant is invalid, expired, or revoked", "")
		return
	case stored:
		s.routes().ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	switch {
	case r.Header.Get("Content-Type") != "application/json":
		refuse(w, http.StatusUnsupportedMediaType, "Content-Type must be application/json.", "")
		return
	case err != nil || len(body) > maxBytes:
		refuse(w, http.StatusRequestEntityTooLarge, "Payload too large", "")
		return
	}
	if err := s.check(body); err != nil {
		refuse(w, http.StatusBadRequest, "SendGrid's own description refuses it: "+err.Error(), "")
		return
	}
	l, wrong := parse(body)
	if wrong == nil {
		wrong = l.check()
	}
	if wrong != nil {
		refuse(w, http.StatusBadRequest, wrong.message, wrong.field)
		return
	}
	if s.senders != nil && !slices.Contains(s.senders, l.From.Email) {
		refuse(w, http.StatusForbidden, unverified.message, unverified.field)
		return
	}
	if l.MailSettings.SandboxMode.Enable {
		w.WriteHeader(http.StatusOK)
		return
	}
	messages, wrong := s.messages(l)
	if wrong != nil {
		refuse(w, http.StatusBadRequest, wrong.message, wrong.field)
		return
	}
	id := rand.Text()
	for i, p := range l.Personalizations {
		var raw bytes.Buffer
		err := rfc5322.Write(&raw, messages[i])
		if err == nil {
			err = s.Deliver(mailbox.Message{
				Raw: raw.Bytes(), To: p.everybody(), Reference: id, Variables: p.CustomArgs, Tags: l.Categories, Template: l.template(p), Tracking: l.tracking(),
			})
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error(), "")
			return
		}
	}
	w.Header().Set("X-Message-Id", id)
	w.WriteHeader(http.StatusAccepted)
}

// unverified is the error for a sender that is not verified.
var unverified = wrong{
	"The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. Visit " +
		"https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity requirements", "from",
}

// errorBody returns an error response in SendGrid's format.
func errorBody(message, field string) string {
	one := map[string]any{"message": message, "field": nil, "help": nil}
	if field != "" {
		one["field"] = field
	}
	body, err := json.Marshal(map[string]any{"errors": []any{one}})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func refuse(w http.ResponseWriter, status int, message, field string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, errorBody(message, field)) // the client may have gone
}
