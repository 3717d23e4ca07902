package chaosmail_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/resendsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
	"patchbay/tests/sendgridapi"
)

// callTimeout is how long the gateway waits for a provider.
const callTimeout = 3 * time.Second

// world is a gateway with four providers, what is asked of it, and what has happened.
type world struct {
	*gateway.Gateway
	seed      uint64
	mails     []*mail
	book      *book
	providers map[string]provider
	smtpIn    string       // the address of the way in by SMTP
	clock     atomic.Int64 // how far the gateway's clock is ahead

	mu           sync.Mutex
	accepted     map[string]string // id by key; empty for what was handed over by SMTP
	wrong        []string          // answers that are wrong at any time
	disturbances []disturbance
}

// provider is a simulated provider.
type provider interface {
	Refuse()
	Resume()
	Heal()
	Messages() []mailbox.Message
}

// disturbance is a time at which calls of a provider, or all that the gateway did, may have ended.
type disturbance struct {
	from, to time.Time
	what     string // the name of a provider, or one of these
}

const (
	killed  = "kill"
	stepped = "step of the clock"
)

// slow executes each request at once, and answers it a little later: so kills and outages also come
// between the two.
type slow struct{ http.Handler }

const slowest = 40 * time.Millisecond

// ServeHTTP implements http.Handler.
func (s slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Handler.ServeHTTP(w, r)
	select {
	case <-r.Context().Done():
	case <-time.After(rand.N(slowest)):
	}
}

func newWorld(t *testing.T, seed uint64, count int) *world {
	t.Helper()
	w := &world{seed: seed, mails: planOf(seed, count), book: newBook(seed), accepted: map[string]string{}}
	sendgrid := sendgridsim.New(sendgridsim.Options{Check: sendgridapi.Check(t)})
	mailgun := mailgunsim.New(mailgunsim.Options{})
	resend := resendsim.New(resendsim.Options{Now: func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }})
	server := smtpsim.Start(t, smtpsim.Options{Security: smtpsim.StartTLS})
	sendgrid.Server = faultserver.Start(t, slow{sendgrid})
	mailgun.Server = faultserver.Start(t, slow{mailgun})
	resend.Server = faultserver.Start(t, slow{resend})
	w.providers = map[string]provider{"sendgrid": sendgrid, "mailgun": mailgun, "resend": resend, "smtp": server}
	sendgrid.Store("d-17")
	w.configure(t, sendgrid, mailgun, resend, server)
	if out, err := w.Command(t, append([]string{"templates", "push"}, w.Args...)...).CombinedOutput(); err != nil {
		t.Fatalf("templates push: %v\n%s", err, out)
	}
	sendgrid.Inject(w.book.faults("sendgrid")...)
	mailgun.Inject(w.book.faults("mailgun")...)
	resend.Inject(w.book.faults("resend")...)
	server.Inject(w.book.smtpFaults()...)
	return w
}

// configure prepares the gateway. SendGrid stores the template, so that it gets the copies of a batch
// together; Mailgun gets them with its own variables; the other two one by one.
func (w *world) configure(t *testing.T, sendgrid *sendgridsim.Sim, mailgun *mailgunsim.Sim, resend *resendsim.Sim, server *smtpsim.Sim) {
	t.Helper()
	dir := t.TempDir()
	authority := filepath.Join(dir, "ca.pem")
	for file, text := range map[string]string{
		authority: string(server.CA()),
		filepath.Join(dir, "templates", templateName+".subject.hbs"): templateSubject,
		filepath.Join(dir, "templates", templateName+".text.hbs"):    templateText,
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.Gateway = gateway.Configured(t, fmt.Sprintf(`
mail:
  providers: [smtp, sendgrid, mailgun, resend]
  from: %s
  templates: {directory: %q}
  from_domains:
    smtp: [%s]
    sendgrid: [%[3]s, %s]
    mailgun: [%[3]s, %[4]s, %s]
    resend: [%[4]s, %[5]s, %s]
providers:
  smtp: {type: smtp, host: %s, port: %d, username: %s, password: "${SMTP_PASSWORD}", ca_file: %q, hello: gateway.example.com}
  sendgrid: {type: sendgrid, api_key: "${SENDGRID_KEY}", base_url: %q, templates: {%s: d-17}}
  mailgun: {type: mailgun, domain: %s, api_key: "${MAILGUN_KEY}", base_url: %q}
  resend: {type: resend, api_key: "${RESEND_KEY}", base_url: %q}
policies:
  mail: {timeout: %s, deadline: 8s, attempts: 2, backoff: {initial: 20ms, max: 100ms}, breaker: {minimum_calls: 50, window: 5s, open: 300ms}}
log: {requests: false}
`, "orders@"+shop, filepath.Join(dir, "templates"), post, shop, news, help,
		server.Host(), server.Port(), server.User(), authority, sendgrid.URL(), templateName, mailgun.Domain(), mailgun.URL(), resend.URL(), callTimeout),
		"SMTP_PASSWORD="+server.Key(), "SENDGRID_KEY="+sendgrid.Key(), "MAILGUN_KEY="+mailgun.Key(), "RESEND_KEY="+resend.Key())
	address, release, err := faultserver.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	w.smtpIn = address
	w.Env = append(w.Env, "PATCHBAY_MAIL__SMTP__ADDRESS="+address)
	w.OwnClock(t)
}

// disturb records what a function does as a disturbance.
func (w *world) disturb(what string, do func()) {
	from := time.Now()
	do()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disturbances = append(w.disturbances, disturbance{from, time.Now(), what})
}

// answered counts the requests that were accepted.
func (w *world) answered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.accepted)
}

// refusals counts the answers that are wrong.
func (w *world) refusals() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.wrong)
}

// delivered counts the messages that the providers have executed.
func (w *world) delivered() (n int) {
	for _, p := range w.providers {
		n += len(p.Messages())
	}
	return n
}

// outage makes a provider unreachable while d passes, and resets what it was working on.
func (w *world) outage(ctx context.Context, name string, d time.Duration) {
	w.disturb(name, func() {
		w.providers[name].Refuse()
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
		w.providers[name].Resume()
	})
}

// outages makes one provider after the other unreachable, for a moment or for longer, until ctx ends.
func (w *world) outages(ctx context.Context) {
	names := []string{"smtp", "sendgrid", "mailgun", "resend"}
	r := rand.New(rand.NewPCG(w.seed, hash(w.seed, "outages")))
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(100+r.IntN(900)) * time.Millisecond):
		}
		length := time.Duration(20+r.IntN(200)) * time.Millisecond
		if r.IntN(4) == 0 {
			length = time.Duration(1+r.IntN(2)) * time.Second
		}
		w.outage(ctx, names[r.IntN(len(names))], length)
	}
}

// kill kills the gateway and starts it again.
func (w *world) kill(t *testing.T) {
	t.Helper()
	w.disturb(killed, w.Kill)
	w.Restart(t)
}

const (
	quiet     = 2 * time.Second // no provider takes as long when it is well
	clockStep = 20 * time.Minute
	settling  = 3 * time.Minute // of real time
	mostSteps = 60              // in total less than the time for which Resend remembers keys
)

// settle ends all faults, and advances the gateway's clock until nothing waits, or for as long as limit
// says: the verdict names what does not end. It does so only while no provider is at work, because a step
// ends the leases of messages that are being sent.
func (w *world) settle(t *testing.T, limit time.Duration) {
	t.Helper()
	for _, p := range w.providers {
		p.Heal()
	}
	began := time.Now()
	delivered, since := w.delivered(), began
	for range mostSteps {
		gateway.Eventually(t, limit+time.Minute, "no provider is at work", func() bool {
			if n := w.delivered(); n != delivered {
				delivered, since = n, time.Now()
			}
			return time.Since(since) >= quiet || time.Since(began) > limit
		})
		if !w.waits(t) || time.Since(began) > limit {
			return
		}
		w.disturb(stepped, func() {
			w.clock.Add(int64(clockStep))
			w.SetClock(t, time.Duration(w.clock.Load()))
		})
		since = time.Now()
	}
}

// waits reports whether an email is to be sent.
func (w *world) waits(t *testing.T) bool {
	t.Helper()
	return slices.ContainsFunc([]string{"queued", "sending"}, func(status string) bool {
		a := w.Do(t, "GET", "/api/emails?limit=1&status="+status, nil)
		return a.Status != http.StatusOK || len(a.Data()) > 0
	})
}
