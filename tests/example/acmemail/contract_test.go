package acmemail

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/config/setting"
	"patchbay/ports"
	"patchbay/tests/contract/mailtest"
	"patchbay/tests/mailsim"
)

func TestContract(t *testing.T) {
	t.Parallel()
	mailsim.Contract(t, faults, func(t *testing.T) (ports.Mailer, mailsim.Provider) {
		sim := &acme{key: "key-" + rand.Text()}
		sim.Server = faultserver.Start(t, sim)
		m, err := New(provider.Environment{
			Name: "acme", Settings: &Settings{APIKey: setting.NewSecret(sim.key), BaseURL: setting.BaseURL(sim.URL())}, Timeout: mailsim.Patience,
		})
		if err != nil {
			t.Fatal(err)
		}
		return m, sim
	})
}

// acme simulates an account at Acme.
type acme struct {
	*faultserver.Server
	mailbox.Mailbox
	key string
}

func (a *acme) Key() string { return a.key }

func (a *acme) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	message := mailbox.Message{To: r.URL.Query()["to"], Reference: rand.Text(), Variables: make(map[string]string)}
	for name := range r.URL.Query() {
		if note, ok := strings.CutPrefix(name, "note."); ok {
			message.Variables[note] = r.URL.Query().Get(name)
		}
	}
	var err error
	if message.Raw, err = io.ReadAll(r.Body); err == nil {
		err = a.Deliver(message)
	}
	if err != nil || r.Header.Get("Authorization") != "Bearer "+a.key {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"id": %q}`, message.Reference)
}

// says is a refusal in Acme's own words.
func says(status int, code string) faultserver.Fault {
	header := map[string]string{"Content-Type": "application/json", "Retry-After": "60"}
	return faultserver.Fault{Mishap: faultserver.Answer(status, header, fmt.Sprintf(`{"code": %q, "message": "not for ada@example.com"}`, code))}
}

// faults are Acme's ways to fail.
var faults = map[mailtest.Fault]faultserver.Fault{
	mailtest.Rejected:      says(400, "invalid_recipient"),
	mailtest.Unauthorized:  says(401, "invalid_key"),
	mailtest.Exhausted:     says(402, "quota_exceeded"),
	mailtest.SenderRefused: says(403, "sender_not_verified"),
	mailtest.Suspended:     says(403, "account_suspended"),
	mailtest.RateLimited:   says(429, "too_many_requests"),
	mailtest.Unavailable:   says(503, "maintenance"),
	mailtest.ServerError:   {Mishap: faultserver.Answer(500, nil, "?")},
	mailtest.Malformed:     {After: true, Mishap: faultserver.Answer(202, nil, "?")},
	mailtest.NoSuccess:     {Mishap: faultserver.Answer(200, nil, `{"id": "1"}`)},
	mailtest.ResetBefore:   {Mishap: faultserver.Reset()},
	mailtest.ResetAfter:    {After: true, Mishap: faultserver.Reset()},
	mailtest.HangsAfter:    {After: true, Mishap: faultserver.Hang()},
	mailtest.HangsForever:  {Mishap: faultserver.Hang()},
}
