// Package resendsim simulates Resend: it accepts mail as Resend's API does, refuses what that refuses,
// remembers idempotency keys, delivers into a mailbox, and fails on demand.
package resendsim

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
)

// Options are the options of an account. Zero means the default.
type Options struct {
	Key string // the API key; a random one by default
	// Senders are the addresses of verified domains. If it is nil, every address is one.
	Senders []string
	// Now is the clock by which keys are remembered; time.Now by default.
	Now func() time.Time
}

// Sim is one account at Resend.
type Sim struct {
	*faultserver.Server
	mailbox.Mailbox
	key     string
	senders []string
	keys    keys
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
	s := &Sim{key: o.Key, senders: o.Senders, keys: keys{now: o.Now, known: map[string]*request{}}}
	if s.key == "" {
		s.key = "re_" + rand.Text()
	}
	if s.keys.now == nil {
		s.keys.now = time.Now
	}
	return s
}

// Key returns the account's API key.
func (s *Sim) Key() string { return s.key }

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/emails":
		refuse(w, &wrong{http.StatusNotFound, "not_found", "The requested endpoint does not exist."})
		return
	case r.Method != http.MethodPost:
		refuse(w, &wrong{http.StatusMethodNotAllowed, "method_not_allowed", "Method is not allowed for the requested path."})
		return
	case r.Header.Get("Authorization") == "":
		refuse(w, &wrong{http.StatusUnauthorized, "missing_api_key", "Missing API Key"})
		return
	case r.Header.Get("Authorization") != "Bearer "+s.key:
		refuse(w, &invalidKey)
		return
	}
	key := r.Header.Values("Idempotency-Key")
	if len(key) == 0 {
		s.send(w, r)
		return
	}
	if len(key[0]) < 1 || len(key[0]) > 256 {
		refuse(w, &wrong{http.StatusBadRequest, "invalid_idempotency_key", "The key must be between 1-256 chars."})
		return
	}
	s.keys.serve(w, r, key[0], s.send)
}

// send takes a message. It returns its id, "" if it is refused.
func (s *Sim) send(w http.ResponseWriter, r *http.Request) (id string) {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) > maxBytes {
		refuse(w, &wrong{http.StatusRequestEntityTooLarge, "validation_error", "The request is too large."})
		return ""
	}
	l, bad := parse(body)
	if bad == nil {
		bad = l.check()
	}
	if bad == nil && s.senders != nil && !slices.Contains(s.senders, l.sender()) {
		bad = &unverified
	}
	id = newID()
	if bad == nil {
		bad = s.deliver(l, id)
	}
	if bad != nil {
		refuse(w, bad)
		return ""
	}
	accept(w, id)
	return id
}

func (s *Sim) deliver(l letter, id string) *wrong {
	raw, err := l.raw()
	if err == nil {
		err = s.Deliver(mailbox.Message{Raw: raw, To: l.everybody(), Reference: id, Variables: l.variables(), Tags: l.tags()})
	}
	if err != nil {
		return invalid("The message cannot be written: " + err.Error())
	}
	return nil
}

// newID returns an id in the form of a UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func accept(w http.ResponseWriter, id string) { respond(w, http.StatusOK, map[string]any{"id": id}) }

// wrong is an error in a request, as Resend describes it.
type wrong struct {
	status        int
	name, message string
}

func (e *wrong) body() map[string]any {
	return map[string]any{"statusCode": e.status, "name": e.name, "message": e.message}
}

func refuse(w http.ResponseWriter, e *wrong) { respond(w, e.status, e.body()) }

func respond(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

var (
	invalidKey = wrong{http.StatusUnauthorized, "validation_error", "API key is invalid"}
	unverified = wrong{
		http.StatusForbidden, "validation_error", "The example.com domain is not verified. Please, add and verify your domain on https://resend.com/domains",
	}
)
