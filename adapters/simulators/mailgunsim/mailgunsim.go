// Package mailgunsim simulates Mailgun: it accepts MIME messages and forms as Mailgun's API v3
// does, stores templates, refuses what that refuses, delivers into a mailbox, and fails on demand.
//
// Mailgun's own mock server (mailgun.NewMockServer) does not support MIME messages.
package mailgunsim

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
)

// Options are the options of a domain. Zero means the default.
type Options struct {
	Key    string // the API key; a random one by default
	Domain string // mg.example.com by default
	// Senders are the allowed sender addresses. If it is nil, every address is allowed.
	Senders []string
}

// Sim is one domain at Mailgun.
type Sim struct {
	*faultserver.Server
	mailbox.Mailbox
	templates
	key, domain string
	senders     []string
}

// Start opens a domain and serves it until the test ends.
func Start(t faultserver.T, o Options) *Sim {
	t.Helper()
	s := New(o)
	s.Server = faultserver.Start(t, s)
	return s
}

// New opens a domain without a server. It is called directly as an http.Handler.
func New(o Options) *Sim {
	s := &Sim{key: o.Key, domain: o.Domain, senders: o.Senders}
	if s.key == "" {
		s.key = "key-" + rand.Text()
	}
	if s.domain == "" {
		s.domain = "mg.example.com"
	}
	return s
}

// Key returns the API key.
func (s *Sim) Key() string { return s.key }

// Domain returns the sending domain.
func (s *Sim) Domain() string { return s.domain }

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, isAPI := strings.CutPrefix(r.URL.Path, "/v3/")
	domain, endpoint, _ := strings.Cut(path, "/")
	isMIME := endpoint == "messages.mime"
	area, _, _ := strings.Cut(endpoint, "/")
	user, key, _ := r.BasicAuth()
	switch {
	case !isAPI || endpoint != "messages" && !isMIME && area != "templates": // any path outside the API
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, magnificent)
		return
	case r.Method != http.MethodPost && area != "templates":
		refuse(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	case user != "api" || key != s.key:
		w.Header().Set("WWW-Authenticate", realm)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "Forbidden")
		return
	case domain != s.domain:
		refuse(w, http.StatusNotFound, "Domain not found: "+domain)
		return
	case area == "templates":
		s.routes().ServeHTTP(w, r)
		return
	case r.ContentLength > maxBytes:
		refuse(w, http.StatusRequestEntityTooLarge, "Message is too large")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBytes) // of a length that is not known before
	f, err := read(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "the request must be multipart/form-data or application/x-www-form-urlencoded")
		return
	}
	check := f.checkForm
	if isMIME {
		check = f.checkMIME
	}
	message := check()
	if message == "" {
		message = s.fill(f)
	}
	if message != "" {
		refuse(w, http.StatusBadRequest, message)
		return
	}
	if s.senders != nil && !slices.Contains(s.senders, f.sender()) {
		refuse(w, http.StatusBadRequest, badSender)
		return
	}
	id := rand.Text() + "@" + s.domain
	if err := s.deliver(f, isMIME, id); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"id":"<%s>","message":"Queued. Thank you."}`, id)
}

// deliver puts the messages of a valid request into the mailbox, unless it is in test mode.
func (s *Sim) deliver(f fields, isMIME bool, id string) error {
	var all []mailbox.Message
	var err error
	if isMIME {
		all = []mailbox.Message{f.mime(id, time.Now())}
	} else if all, err = f.letters(id, time.Now()); err != nil {
		return err
	}
	if f.first("o:testmode") == "yes" {
		return nil
	}
	for _, m := range all {
		m.Reference, m.Tags, m.Tracking = id, f.values["o:tag"], f.tracking()
		if err := s.Deliver(m); err != nil {
			return err
		}
	}
	return nil
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, errorBody(message)) // the client may have gone
}

func errorBody(message string) string {
	body, err := json.Marshal(map[string]string{"message": message})
	if err != nil {
		panic(err)
	}
	return string(body)
}
