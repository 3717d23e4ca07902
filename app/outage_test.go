package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/adapters/metrics"
	"patchbay/adapters/resilience"
	"patchbay/config"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/retention"
	"patchbay/core/user"
	"patchbay/core/users"
	"patchbay/core/webhooks"
	"patchbay/ports"
	"patchbay/tests/memjournal"
	"patchbay/tests/testlog"
)

// screen is how many lines fit on one.
const screen = 25

// An outage of any of the things that the gateway needs lasts two minutes, with traffic all
// the time. The log tells of its cause, its effect and its end, and fits on one screen.
func TestTheLogOfAnOutageFitsOnOneScreen(t *testing.T) {
	t.Parallel()
	refused := &fault.Error{Kind: fault.Unavailable, Code: "connection_failed", Err: errors.New("dial tcp 192.0.2.1:443: connect: connection refused")}
	account := &fault.Error{Kind: fault.Unauthorized, Code: "provider_misconfigured", Answer: &fault.Answer{Status: 401, Words: "Invalid API Key provided"}}
	quits := &fault.Error{Kind: fault.UnknownOutcome, Code: "no_answer", Answer: &fault.Answer{Status: 502}}
	shut := fault.Wrap(fault.Unavailable, "pgstore.claim", errors.New("FATAL: the database system is shutting down (SQLSTATE 57P03)"))
	lost := fault.Wrap(fault.UnknownOutcome, "pgstore.save", errors.New("unexpected EOF"))
	for name, c := range map[string]struct {
		what  func(w *world) *failing
		with  error
		hangs bool
		of    string   // what is down
		cause []string // all of it stands in the log
	}{
		"a payment provider refuses connections":    {func(w *world) *failing { return w.stripe }, refused, false, "of=payments provider=stripe ", []string{"connection refused", "kind=unavailable"}},
		"a payment provider refuses the key":        {func(w *world) *failing { return w.stripe }, account, false, "of=payments provider=stripe ", []string{"status=401", `words="Invalid API Key provided"`}},
		"a payment provider gives no answer":        {func(w *world) *failing { return w.stripe }, quits, false, "of=payments provider=stripe ", []string{"status=502", "code=no_answer"}},
		"a payment provider hangs":                  {func(w *world) *failing { return w.stripe }, quits, true, "of=payments provider=stripe ", []string{"code=no_answer"}},
		"a mail provider refuses connections":       {func(w *world) *failing { return w.sendgrid }, refused, false, "of=mail provider=sendgrid ", []string{"connection refused"}},
		"a mail provider refuses the key":           {func(w *world) *failing { return w.sendgrid }, account, false, "of=mail provider=sendgrid ", []string{"status=401"}},
		"a mail provider gives no answer":           {func(w *world) *failing { return w.sendgrid }, quits, false, "of=mail provider=sendgrid ", []string{"status=502"}},
		"a mail provider hangs":                     {func(w *world) *failing { return w.sendgrid }, quits, true, "of=mail provider=sendgrid ", []string{"code=no_answer"}},
		"the users' store is shut":                  {func(w *world) *failing { return w.users }, shut, false, "of=database provider=postgres ", []string{"shutting down"}},
		"the users' store hangs":                    {func(w *world) *failing { return w.users }, shut, true, "of=database provider=postgres ", []string{"shutting down"}},
		"the standby refuses connections":           {func(w *world) *failing { return w.mirror }, refused, false, "of=standby provider=mirror ", []string{"connection refused"}},
		"the database is shut":                      {func(w *world) *failing { return w.database }, shut, false, "of=database provider=postgres ", []string{"shutting down"}},
		"the database breaks connections":           {func(w *world) *failing { return w.database }, lost, false, "of=database provider=postgres ", []string{"unexpected EOF"}},
		"the database hangs":                        {func(w *world) *failing { return w.database }, lost, true, "of=database provider=postgres ", []string{"unexpected EOF"}},
		"the file, while the database is gone, too": {func(w *world) *failing { return w.both }, refused, false, "of=spool provider=spool ", []string{"connection refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.run(t, func() {
					<-time.After(30 * time.Second)
					w.page.lines()
					down := c.what(w)
					down.set(c.with, c.hangs)
					<-time.After(2 * time.Minute)
					down.set(nil, false)
					rest := 75 * time.Second
					if fault.KindOf(c.with).Rule().Alert { // a provider is left alone for longer
						rest = 6 * time.Minute
					}
					<-time.After(rest)
				})
				got := w.page.lines()
				text := strings.Join(got, "\n")
				t.Logf("%d lines\n%s", len(got), text)
				if len(got) > screen {
					t.Errorf("got %d lines, want at most %d", len(got), screen)
				}
				begins, ends := has(got, `msg="outage began" `+c.of), has(got, `msg="outage ended" `+c.of)
				if begins == "" || ends == "" || has(got, `msg="outage goes on" `+c.of) == "" {
					t.Fatalf("lines = %s, want one for the beginning, the middle and the end", text)
				}
				if lasted := lasted(t, ends); !strings.Contains(begins, "effect=") || lasted < 115*time.Second || lasted > 6*time.Minute {
					t.Errorf("the outage is logged as\n%s\n%s\nwant its effect, and 115s to 6m", begins, ends)
				}
				for _, words := range c.cause {
					if !strings.Contains(begins, words) {
						t.Errorf("line = %s, want the cause %q in it", begins, words)
					}
				}
			})
		})
	}
}

func lasted(t *testing.T, line string) time.Duration {
	t.Helper()
	_, text, _ := strings.Cut(line, " for=")
	text, _, _ = strings.Cut(text, " ")
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Errorf("line = %s: error = %v, want a duration", line, err)
	}
	return d
}

func has(lines []string, words string) string {
	for _, line := range lines {
		if strings.Contains(line, words) {
			return line
		}
	}
	return ""
}

// page is a log that a test reads.
type page struct{ testlog.Buffer }

func (p *page) lines() (lines []string) {
	for line := range strings.Lines(p.Take()) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// failing is something that fails as told, or hangs until its caller gives up and then
// fails.
type failing struct {
	with  atomic.Pointer[error]
	hangs atomic.Bool
	also  []*failing
	later *failing // fails as long, and a little longer
}

func (f *failing) set(err error, hangs bool) {
	for _, other := range f.also {
		other.set(err, hangs)
	}
	switch {
	case f.later != nil && err == nil:
		time.AfterFunc(20*time.Second, func() { f.later.set(nil, false) })
	case f.later != nil:
		f.later.set(err, hangs)
	}
	f.hangs.Store(hangs)
	if err == nil {
		f.with.Store(nil)
		return
	}
	f.with.Store(&err)
}

func (f *failing) met(ctx context.Context) error {
	err := f.with.Load()
	if err == nil {
		return nil
	}
	if f.hangs.Load() {
		<-ctx.Done()
	}
	return *err
}

// world is the gateway's use cases on outsides in memory, put together as the gateway
// is.
type world struct {
	page                                *page
	stripe, stripeEU, sendgrid, mailgun *failing
	users, mirror, database, file, both *failing
	payments                            *payments.Service
	emails                              *emails.Service
	directory                           *users.Service
	runs                                []func(context.Context)
}

func newWorld() *world {
	w := &world{page: &page{}}
	for _, f := range []**failing{&w.stripe, &w.stripeEU, &w.sendgrid, &w.mailgun, &w.users, &w.mirror, &w.database, &w.file} {
		*f = &failing{}
	}
	w.both = &failing{also: []*failing{w.file}, later: w.database}
	l, _ := logger(&config.Config{Log: config.Log{Level: "info", Format: "text"}}, w.page)
	s := environment{clock: clock.System{}, ids: ids.UUIDs{}, log: l.Logger, outages: l.Outages, metrics: metrics.New(), owner: "one"}

	db := w.store(s, "postgres", database, w.database)
	other := w.store(s, "mirror", standby, w.mirror)
	local := observed("spool", resilience.Store{Journal: gated{memjournal.New(s.clock), w.file}}, s, spoolFile)
	held, err := openSpool(context.Background(), db, local, s)
	if err != nil {
		panic(err)
	}
	copied := users.NewStandby(users.StandbyOptions{
		Users: db.Users(), Feed: held, Copy: other, Clock: s.clock, MaxLag: time.Minute, Log: s.log,
	})
	policy := config.StandardPolicy()
	gateways := []ports.PaymentGateway{
		resilience.NewGateway(account{name: "stripe", fails: w.stripe}, withPolicy(config.Provider{Name: "stripe", Policy: policy}, s, rolePayments(false))),
		resilience.NewGateway(account{name: "stripe-eu", fails: w.stripeEU}, withPolicy(config.Provider{Name: "stripe-eu", Policy: policy}, s, rolePayments(true))),
	}
	mailers := []ports.Mailer{
		resilience.NewMailer(postman{name: "sendgrid", fails: w.sendgrid}, withPolicy(config.Provider{Name: "sendgrid", Policy: policy}, s, roleMail(false))),
		resilience.NewMailer(postman{name: "mailgun", fails: w.mailgun}, withPolicy(config.Provider{Name: "mailgun", Policy: policy}, s, roleMail(true))),
	}
	w.payments = payments.New(payments.Options{Journal: held, Gateways: gateways, Clock: s.clock, IDs: s.ids, Secret: []byte("secret"), Owner: "one", Log: s.log})
	w.emails = emails.New(emails.Options{
		Journal: held, Mailers: mailers, Text: htmltext.Text{}, Clock: s.clock, IDs: s.ids,
		From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: s.log,
	})
	w.directory = users.New(db.Users(), copied, s.clock, s.ids, user.Scripts{})
	hooks := webhooks.New(webhooks.Options{Journal: held, Accounts: []string{"stripe", "stripe-eu"}, Clock: s.clock, Owner: "one", Log: s.log})
	old := &retention.Service{Clock: s.clock, Log: s.log, Rules: []retention.Rule{{What: "parts", Age: time.Hour, Purge: held.Sweep}}}
	w.runs = []func(context.Context){
		db.Watch, other.Watch, copied.Run, held.Run, w.payments.Run, w.emails.Run, hooks.Run, old.Run,
		func(ctx context.Context) { publish(ctx, held, s.log) },
	}
	return w
}

func (w *world) store(s environment, name string, as role, fails *failing) *resilience.Storage {
	mem := memjournal.New(s.clock)
	store := resilience.NewStorage(name, func(context.Context) (resilience.Store, error) {
		return resilience.Store{Journal: gated{mem, fails}, Users: people{fails: []*failing{fails, w.users}}, Close: func() error { return nil }}, nil
	}, withPolicy(config.Provider{Name: name, Policy: config.StandardStoragePolicy()}, s, as))
	if err := store.Open(context.Background()); err != nil {
		panic(err)
	}
	return store
}

// run has the gateway work, with traffic twice a second, for as long as a test
// lasts.
func (w *world) run(t *testing.T, test func()) {
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, run := range append(w.runs, w.traffic) {
		running.Go(func() { run(ctx) })
	}
	test()
	stop()
	running.Wait()
}

func (w *world) traffic(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for n := 0; ctx.Err() == nil; n++ {
		body := []byte(fmt.Sprint(n))
		key := idempotency.New("shop", "POST /api/payments", fmt.Sprint("k", n), body)
		all.Go(func() {
			_, _ = w.payments.Create(ctx, "shop", payments.CreateRequest{
				Amount: 100, Currency: "usd", Confirm: true, PaymentMethods: map[string]string{"stripe": "pm_1", "stripe-eu": "pm_2"},
			}, key)
		})
		all.Go(func() {
			_, _, _ = w.emails.Accept(ctx, "shop", email.Draft{To: []email.Address{{Email: "ada@example.com"}}, Subject: "Hello", Text: "Hello"}, idempotency.New("shop", "POST /api/emails", fmt.Sprint("k", n), body))
		})
		all.Go(func() { _, _, _ = w.directory.Get(ctx, "shop", "usr_1", false) })
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// account is a payment provider that takes every payment.
type account struct {
	ports.PaymentGateway // what nobody asks for here
	name                 string
	fails                *failing
}

func (a account) Name() string { return a.name }
func (a account) Capabilities() payment.Capabilities {
	return payment.Capabilities{
		ManualCapture: true, Refunds: true, InBrowser: true,
		Keys: payment.Keys{Kept: time.Hour}, Lookup: payment.Lookup{List: true},
	}
}
func (a account) Compose(payment.Change) (string, error)      { return "body", nil }
func (a account) Account(ctx context.Context) (string, error) { return a.name, a.fails.met(ctx) }

func (a account) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	if err := a.fails.met(ctx); err != nil {
		return payment.Intent{}, err
	}
	return payment.Intent{
		Reference: "pi_" + r.Metadata[payment.MetaPayment], Status: payment.Succeeded, Amount: r.Amount, AmountCaptured: r.Amount, Currency: r.Currency,
		Metadata: r.Metadata, CreatedAt: time.Now(),
	}, nil
}

func (a account) List(ctx context.Context, _ payment.ListRequest) (payment.IntentPage, error) {
	return payment.IntentPage{Now: time.Now()}, a.fails.met(ctx)
}

// postman is a mail provider that takes every message.
type postman struct {
	name  string
	fails *failing
}

func (p postman) Name() string             { return p.name }
func (p postman) Features() email.Features { return email.Features{} }

func (p postman) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	return email.Receipt{Reference: m.ID}, p.fails.met(ctx)
}

// people is a store of users that has one.
type people struct {
	ports.UserRepository // what nobody asks for here
	fails                []*failing
}

func (p people) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	for _, f := range p.fails {
		if err := f.met(ctx); err != nil {
			return user.User{}, err
		}
	}
	return user.User{ID: id, Tenant: tenant}, nil
}

// gated is a journal that fails as told.
type gated struct {
	*memjournal.Journal
	fails *failing
}

func (g gated) Save(ctx context.Context, records ...*ports.Record) []error {
	if err := g.fails.met(ctx); err != nil {
		errs := make([]error, len(records))
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	return g.Journal.Save(ctx, records...)
}

func (g gated) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	if err := g.fails.met(ctx); err != nil {
		return ports.Record{}, err
	}
	return g.Journal.Get(ctx, tenant, kind, id)
}

func (g gated) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	if err := g.fails.met(ctx); err != nil {
		return ports.Record{}, err
	}
	return g.Journal.Find(ctx, kind, by, value)
}

func (g gated) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	if err := g.fails.met(ctx); err != nil {
		return nil, err
	}
	return g.Journal.Claim(ctx, queue, owner, lease, n, except...)
}

func (g gated) Publish(ctx context.Context, n int) (int, error) {
	if err := g.fails.met(ctx); err != nil {
		return 0, err
	}
	return g.Journal.Publish(ctx, n)
}

func (g gated) Feed(ctx context.Context, tenant string, after int64, n int) ([]event.Event, error) {
	if err := g.fails.met(ctx); err != nil {
		return nil, err
	}
	return g.Journal.Feed(ctx, tenant, after, n)
}

func (g gated) Ping(ctx context.Context) error {
	if err := g.fails.met(ctx); err != nil {
		return err
	}
	return g.Journal.Ping(ctx)
}
