// Package mailgunsim is a Mailgun of our own for tests: it takes mail as MIME as
// Mailgun's API v3 does, refuses what that refuses, delivers into a mailbox, and
// goes wrong when it is told to.
//
// Mailgun's own mock server (mailgun.NewMockServer) does not know mail as MIME.
package mailgunsim

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"patchbay/tests/faultserver"
	"patchbay/tests/mailsim"
)

// The limits of the API.
const (
	maxBytes      = 25 << 20
	maxRecipients = 1000
	maxTags       = 3
	maxOptions    = 16 << 10 // of all o:, h: and v: together
)

// Options are what a domain may be given. Zero means the default.
type Options struct {
	Key    string // the API key; one of its own by default
	Domain string // mg.example.com by default
}

// Sim is one domain at Mailgun.
type Sim struct {
	*faultserver.Server
	mailsim.Mailbox
	key, domain string
}

// Start opens a domain and serves it until the test ends.
func Start(t testing.TB, o Options) *Sim {
	t.Helper()
	s := &Sim{key: o.Key, domain: o.Domain}
	if s.key == "" {
		s.key = "key-" + rand.Text()
	}
	if s.domain == "" {
		s.domain = "mg.example.com"
	}
	s.Server = faultserver.Start(t, s)
	return s
}

// Key is the API key.
func (s *Sim) Key() string { return s.key }

// Domain is the sending domain.
func (s *Sim) Domain() string { return s.domain }

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	domain, isMail := strings.CutPrefix(r.URL.Path, "/v3/")
	domain, isMIME := strings.CutSuffix(domain, "/messages.mime")
	user, key, _ := r.BasicAuth()
	switch {
	case !isMail || !isMIME: // whatever was asked for
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, magnificent)
		return
	case user != "api" || key != s.key:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "Forbidden")
		return
	case domain != s.domain:
		refuse(w, http.StatusNotFound, "Domain not found: "+domain)
		return
	case r.ContentLength > maxBytes:
		refuse(w, http.StatusRequestEntityTooLarge, "Message is too large")
		return
	}
	if err := r.ParseMultipartForm(maxBytes); err != nil { //nolint:gosec // its clients are tests
		refuse(w, http.StatusBadRequest, "the request must be multipart/form-data")
		return
	}
	raw, message := check(r.MultipartForm)
	if message != "" {
		refuse(w, http.StatusBadRequest, message)
		return
	}
	if r.FormValue("o:testmode") != "yes" {
		if err := s.Deliver(raw); err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"id":"<%s@%s>","message":"Queued. Thank you."}`, rand.Text(), s.domain)
}

// check reads the message, and says what Mailgun would refuse of it.
func check(form *multipart.Form) (raw []byte, wrong string) {
	to := form.Value["to"]
	options := 0
	for name, values := range form.Value {
		known := slices.Contains([]string{"to", "o:tag", "o:testmode"}, name) || strings.HasPrefix(name, "v:")
		if !known {
			return nil, "unknown parameter " + name
		}
		if name != "to" {
			for _, v := range values {
				options += len(name) + len(v)
			}
		}
	}
	files := form.File["message"]
	switch {
	case len(to) == 0:
		return nil, "to parameter is missing"
	case len(to) > maxRecipients:
		return nil, "Too many recipients"
	case len(form.Value["o:tag"]) > maxTags:
		return nil, "Too many tags"
	case options > maxOptions:
		return nil, "o:, h: and v: parameters are too large"
	case len(files) != 1 || len(form.File) != 1:
		return nil, "message parameter is missing"
	}
	for _, one := range to {
		if a, err := mail.ParseAddress(one); err != nil || a.Address != one || strings.IndexFunc(one, func(r rune) bool { return r > 127 }) >= 0 {
			return nil, "'to' parameter is not a valid address. please check documentation"
		}
	}
	f, err := files[0].Open()
	if err != nil {
		return nil, err.Error()
	}
	defer f.Close() //nolint:errcheck // only read
	if raw, err = io.ReadAll(f); err != nil {
		return nil, err.Error()
	}
	return raw, headers(raw)
}

// headers says what is wrong with those of a message.
func headers(raw []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "the message is not MIME"
	}
	for _, needed := range []string{"From", "To", "Subject", "Date", "Message-Id"} {
		if m.Header.Get(needed) == "" {
			return needed + " is missing"
		}
	}
	if m.Header.Get("Bcc") != "" {
		return "Bcc would be seen by all"
	}
	return ""
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, errorBody(message)) // the client may have left
}

func errorBody(message string) string {
	body, err := json.Marshal(map[string]string{"message": message})
	if err != nil {
		panic(err)
	}
	return string(body)
}
