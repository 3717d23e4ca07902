package explore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/failover"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/webhooks/stripehook"
	"patchbay/core/checkout"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/stripesim"
)

const (
	tenant = "default"
	signed = "whsec_explore"
)

// accounts are the names of the providers, the preferred first.
var accounts = []string{"first", "second"}

// payments is the real code of payments on simulators in memory.
type payments struct {
	*monitor
	world *world
	sims  []*stripesim.Sim
	// An answer that looks comes to has fewer fates: it changes nothing.
	fates, looks, always []*fate
	upgraded             bool // processes are of the next release from now on
}

// teller is what in a process takes events.
type teller struct {
	*checkout.Service
	hook *stripehook.Hook
}

func newPayments(w *world) domain {
	d := &payments{world: w, fates: stripeFates(w.scenario.Fates), looks: stripeFates(w.scenario.Looks), always: stripeFates(w.scenario.Always)[1:]}
	for n := range max(w.scenario.Providers, 1) {
		d.sims = append(d.sims, d.account(accounts[n]))
	}
	d.monitor = newMonitor(w, d.sims)
	return d
}

func (d *payments) account(name string) *stripesim.Sim {
	return stripesim.New(stripesim.Options{Key: "sk_test_" + name, Account: "acct_" + name, Skew: d.world.scenario.Skew})
}

// stripe is an account that can be told to keep a 500, and may give small pages.
type stripe struct {
	*stripesim.Sim
	page int
}

// ServeHTTP implements http.Handler.
func (s stripe) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if q := req.URL.Query(); s.page > 0 && q.Has("limit") {
		q.Set("limit", strconv.Itoa(s.page))
		small := *req.URL
		small.RawQuery = q.Encode()
		req.URL = &small
	}
	s.Sim.ServeHTTP(w, req)
}

func (s stripe) keep(req *http.Request) {
	for _, a := range []payment.Action{payment.Create, payment.Confirm, payment.Capture, payment.Cancel, payment.Refund} {
		if stripesim.On(a)(req, nil) {
			s.FailAfterCommit(a)
		}
	}
}

// moves has the name of the first provider mean another account: its key was changed in
// the configuration, and all processes are started anew.
func moves() Act {
	return Act{Name: "a key of another account", on: func(w *world) {
		w.replace(func() {
			d := w.domain.(*payments)
			d.sims = slices.Clone(d.sims)
			d.sims[0] = d.account("other")
			d.books = append(d.books, d.sims[0])
			w.bookNew = true
		})
	}}
}

// upgrade has all processes started anew, by a release that words a create otherwise.
func upgrade() Act {
	return Act{Name: "an upgrade", on: func(w *world) {
		w.replace(func() { w.domain.(*payments).upgraded = true })
	}}
}

// reworded is the adapter of that release.
type reworded struct{ ports.PaymentGateway }

// Compose implements ports.PaymentGateway.
func (r reworded) Compose(change payment.Change) (string, error) {
	body, err := r.PaymentGateway.Compose(change)
	if _, creates := change.(payment.CreateRequest); creates {
		body += "&description=by+the+next+release"
	}
	return body, err
}

// Create implements ports.PaymentGateway.
func (r reworded) Create(ctx context.Context, request payment.CreateRequest) (payment.Intent, error) {
	if request.Body == "" {
		body, err := r.Compose(request)
		if err != nil {
			return payment.Intent{}, err
		}
		request.Body = body
	}
	return r.PaymentGateway.Create(ctx, request)
}

// policy has no jitter, which would be no choice, and a breaker that stays closed.
func (w *world) policy() failover.Policy {
	return failover.Policy{
		Timeout: 10 * time.Second, Deadline: 30 * time.Second, Attempts: max(w.scenario.Attempts, 1), RetryBudget: 100,
		Breaker:  failover.Breaker{FailureRate: 100, MinimumCalls: 10_000, Window: 30 * time.Second, Open: 30 * time.Second},
		Bulkhead: 256,
	}
}

// open implements domain.
func (d *payments) open(p *process) {
	var gateways []ports.PaymentGateway
	var hooks []stripehook.Account
	for n, sim := range d.sims {
		g, err := stripepay.New(stripepay.Options{
			Name: accounts[n], SecretKey: sim.Key(),
			HTTP: httpclient.Options{BaseURL: "http://" + accounts[n] + ".example", Wire: &wire{p, stripe{sim, d.world.scenario.Page}, d.befalls}},
		})
		if err != nil {
			panic(err)
		}
		var worded ports.PaymentGateway = g
		if d.upgraded {
			worded = reworded{g}
		}
		gateways = append(gateways, failover.NewGateway(worded, failover.Options{Policy: d.world.policy()}))
		hooks = append(hooks, stripehook.Account{Provider: accounts[n], Secrets: []string{signed + accounts[n]}})
	}
	hook, err := stripehook.New(p, hooks...)
	if err != nil {
		panic(err)
	}
	service := checkout.New(checkout.Options{
		Journal: p.journal, Gateways: gateways, Events: hook, Accounts: d, Clock: p, IDs: p,
		Secret: []byte("explore"), Owner: p.name, Log: slog.New(slog.DiscardHandler), Restored: d.restored,
		Recalled: func(context.Context, time.Time) error { p.recalls = false; return nil },
	})
	p.recalls = !d.restored().At.IsZero()
	p.run, p.service = service.Run, teller{service, hook}
}

// restored is when the gateway notices that its store is an older one.
func (d *payments) restored() checkout.Restore {
	if !d.world.scenario.Notices {
		return checkout.Restore{}
	}
	return checkout.Restore{At: d.world.restored, Since: d.world.backedUp}
}

// Account implements checkout.Accounts: each is known.
func (d *payments) Account(provider string) string {
	return d.sims[slices.Index(accounts, provider)].Account()
}

// Pending implements checkout.Accounts.
func (d *payments) Pending(string) bool { return false }

func (p *process) payments() *checkout.Service { return p.service.(teller).Service }

func (d *payments) befalls(req *http.Request) (once, always []*fate) {
	switch {
	case req.Method == http.MethodGet:
		return d.looks, nil
	case d.world.scenario.Refuses != "" && strings.HasPrefix(req.URL.Host, accounts[0]):
		return append([]*fate{stripes[d.world.scenario.Refuses]}, d.fates...), d.always
	}
	return d.fates, d.always
}

// kind implements domain.
func (d *payments) kind() string { return "payment" }

// serves implements domain: keys that grow old are not waited for.
func (d *payments) serves(queue string) bool {
	return strings.HasPrefix(queue, "payments") && !strings.HasSuffix(queue, "_rest")
}

// record implements domain.
func (d *payments) record(h *hasher, r ports.Record) { h.body(r.Body) }

// settled implements domain.
func (d *payments) settled(answer string) bool { return !strings.Contains(answer, acceptedSoFar) }

// exact implements domain.
func (d *payments) exact() bool { return true }

// book implements domain.
func (d *payments) book(h *hasher) {
	for _, sim := range d.books {
		for _, e := range sim.Book() {
			h.body([]byte("_" + strings.TrimPrefix(e.Reference, "pi_") + "."))
			h.text(e.Key)
			h.text(string(e.Status))
			h.number(uint64(e.Captured))
			h.number(uint64(e.Refunded))
			h.number(uint64(e.Refunds))
		}
		h.number(uint64(len(sim.Events())))
	}
}

// events implements domain.
func (d *payments) events() (n int) {
	for _, sim := range d.sims {
		n += len(sim.Events())
	}
	return n
}

// deliver implements domain: signed and verified, as it comes to the gateway.
func (d *payments) deliver(ctx context.Context, p *process, event int) {
	for n, sim := range d.sims {
		all := sim.Events()
		if event >= len(all) {
			event -= len(all)
			continue
		}
		header := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
			Payload: all[event].Body, Secret: signed + accounts[n], Timestamp: p.Now(),
		}).Header
		t := p.service.(teller)
		news, err := t.hook.Verify(all[event].Body, func(string) string { return header })
		if err != nil {
			panic(err)
		}
		for _, e := range news {
			_, _ = t.ApplyWebhook(ctx, e) // what fails comes again
		}
		return
	}
}

// tell implements domain.
func (d *payments) tell(r ports.Record) string {
	var p payment.Payment
	if json.Unmarshal(r.Body, &p) != nil {
		return "unreadable"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "(%s", p.Status)
	for _, op := range p.Operations {
		fmt.Fprintf(&b, "; %s at %s %s", op.Action, op.Provider, op.Outcome)
	}
	if p.NeedsReview {
		b.WriteString("; needs review")
	}
	b.WriteString(")")
	return b.String()
}

// describe is a request in words.
func describe(req *http.Request, _ []byte) string {
	text := "to " + strings.TrimSuffix(req.URL.Host, ".example")
	for name, values := range req.Header {
		if strings.EqualFold(name, "Idempotency-Key") {
			text += " under " + values[0]
		}
	}
	return text
}
