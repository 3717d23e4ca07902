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

	"patchbay/adapters/httpclient"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/provider"
	"patchbay/adapters/resilience"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
)

const (
	tenant = "default"
	signed = "whsec_explore"
)

// accounts are the names of the providers, the preferred one first.
var accounts = []string{"first", "second"}

// monetary is the domain of the real payments code with simulators in memory.
type monetary struct {
	*monitor
	world *world
	sims  []*stripesim.Sim
	// A request that only reads has the fates in readFates.
	fates, readFates, always []*fate
	upgraded                 bool // processes run the next release from now on
}

// teller is the part of a process that accepts events.
type teller struct {
	*payments.Service
	hook provider.PaymentHook
}

func newPayments(w *world) domain {
	d := &monetary{world: w, fates: stripeFates(w.scenario.Fates), readFates: stripeFates(w.scenario.Looks), always: stripeFates(w.scenario.Always)[1:]}
	for n := range max(w.scenario.Providers, 1) {
		d.sims = append(d.sims, d.account(accounts[n]))
	}
	d.monitor = newMonitor(w, d.sims)
	return d
}

func (d *monetary) account(name string) *stripesim.Sim {
	return stripesim.New(stripesim.Options{Key: "sk_test_" + name, Account: "acct_" + name, Skew: d.world.scenario.Skew})
}

// stripe is an account that can keep a 500 and can return small pages.
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

// moves assigns another account to the name of the first provider, as if its key was changed in the
// configuration, and restarts all processes.
func moves() Act {
	return Act{Name: "a key of another account", on: func(w *world) {
		w.replace(func() {
			d := w.domain.(*monetary)
			d.sims = slices.Clone(d.sims)
			d.sims[0] = d.account("other")
			d.books = append(d.books, d.sims[0])
			w.bookNew = true
		})
	}}
}

// upgrade restarts all processes with a release that composes the body of a create differently.
func upgrade() Act {
	return Act{Name: "an upgrade", on: func(w *world) {
		w.replace(func() { w.domain.(*monetary).upgraded = true })
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

// unlisted is a provider of another shape: it cannot list its intents, but finds those that were made
// under a key, and does not remember the key for long.
type unlisted struct{ ports.PaymentGateway }

// Capabilities implements ports.PaymentGateway.
func (u unlisted) Capabilities() payment.Capabilities {
	c := u.PaymentGateway.Capabilities()
	c.Lookup, c.Keys.Kept = payment.Lookup{Operation: true, Lag: time.Minute}, 5*time.Minute
	return c
}

// List implements ports.PaymentGateway.
func (u unlisted) List(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error) {
	page, err := u.PaymentGateway.List(ctx, payment.ListRequest{Limit: 100})
	page.Next = ""
	page.Intents = slices.DeleteFunc(page.Intents, func(i payment.Intent) bool { return i.Metadata[payment.MetaOperation] != r.Operation })
	return page, err
}

// policy has no jitter, which would not be a choice of the search, and a breaker that stays closed.
func (w *world) policy() resilience.Policy {
	return resilience.Policy{
		Timeout: 10 * time.Second, Deadline: 30 * time.Second, Attempts: max(w.scenario.Attempts, 1), RetryBudget: 100,
		Breaker:  resilience.Breaker{FailureRate: 100, MinimumCalls: 10_000, Window: 30 * time.Second, Open: 30 * time.Second},
		Bulkhead: 256,
	}
}

// open implements domain.
func (d *monetary) open(p *process) {
	var gateways []ports.PaymentGateway
	var hooks []provider.Account
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
		if d.world.scenario.Unlisted {
			worded = unlisted{worded}
		}
		gateways = append(gateways, resilience.NewGateway(worded, resilience.Options{Policy: d.world.policy()}))
		hooks = append(hooks, provider.Account{Provider: accounts[n], Secrets: []string{signed + accounts[n]}})
	}
	hook, err := stripepay.NewHook(p, hooks...)
	if err != nil {
		panic(err)
	}
	service := payments.New(payments.Options{
		Journal: p.journal, Gateways: gateways, Events: hook, Accounts: d, Clock: p, IDs: p,
		Secret: []byte("explore"), Owner: p.name, Log: slog.New(slog.DiscardHandler), Restored: d.restored,
		Recalled: func(context.Context, time.Time) error { p.recalls = false; return nil },
	})
	p.recalls = !d.restored().At.IsZero()
	p.run, p.service = service.Run, teller{service, hook}
}

// restored returns what the gateway knows about a restored backup, if it notices the restore.
func (d *monetary) restored() payments.Restore {
	if !d.world.scenario.Notices {
		return payments.Restore{}
	}
	return payments.Restore{At: d.world.restored, Since: d.world.backedUp}
}

// Account implements payments.Accounts. Every account is known.
func (d *monetary) Account(provider string) string {
	return d.sims[slices.Index(accounts, provider)].Account()
}

// Pending implements payments.Accounts.
func (d *monetary) Pending(string) bool { return false }

func (p *process) monetary() *payments.Service { return p.service.(teller).Service }

func (d *monetary) befalls(req *http.Request) (once, always []*fate) {
	switch {
	case req.Method == http.MethodGet:
		return d.readFates, nil
	case d.world.scenario.Refuses != "" && strings.HasPrefix(req.URL.Host, accounts[0]):
		return append([]*fate{stripes[d.world.scenario.Refuses]}, d.fates...), d.always
	}
	return d.fates, d.always
}

// kind implements domain.
func (d *monetary) kind() string { return "payment" }

// serves implements domain. The history does not wait for the queues with the suffix _rest, whose
// payments have no open operation.
func (d *monetary) serves(queue string) bool {
	return strings.HasPrefix(queue, "payments") && !strings.HasSuffix(queue, "_rest")
}

// record implements domain.
func (d *monetary) record(h *hasher, r ports.Record) { h.body(r.Body) }

// settled implements domain.
func (d *monetary) settled(answer string) bool { return !strings.Contains(answer, acceptedSoFar) }

// exact implements domain.
func (d *monetary) exact() bool { return true }

// book implements domain.
func (d *monetary) book(h *hasher) {
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
func (d *monetary) events() (n int) {
	for _, sim := range d.sims {
		n += len(sim.Events())
	}
	return n
}

// deliver implements domain. The event is signed, and is verified as in the gateway.
func (d *monetary) deliver(ctx context.Context, p *process, event int) {
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
		events, err := t.hook.Verify(ctx, all[event].Body, func(string) string { return header })
		if err != nil {
			panic(err)
		}
		for _, e := range events {
			_, _ = t.ApplyWebhook(ctx, e) // the provider sends it again if it fails
		}
		return
	}
}

// summary implements domain.
func (d *monetary) summary(r ports.Record) string {
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

// describe returns a request in words.
func describe(req *http.Request, _ []byte) string {
	text := "to " + strings.TrimSuffix(req.URL.Host, ".example")
	for name, values := range req.Header {
		if strings.EqualFold(name, "Idempotency-Key") {
			text += " under " + values[0]
		}
	}
	return text
}
