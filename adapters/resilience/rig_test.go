package resilience_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/resilience"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/defaultpolicy"
)

// script returns the result of the nth call, counted from 1.
type script func(ctx context.Context, n int) error

// provider counts calls and answers them by its script.
type provider struct {
	ports.PaymentGateway
	mu     sync.Mutex
	script script
	at     []time.Time
}

func (p *provider) Name() string { return "acme" }

func (p *provider) Capabilities() payment.Capabilities {
	return payment.Capabilities{Keys: payment.Keys{Kept: time.Hour}}
}

func (p *provider) call(ctx context.Context) error {
	p.mu.Lock()
	p.at = append(p.at, time.Now())
	n, s := len(p.at), p.script
	p.mu.Unlock()
	return s(ctx, n)
}

func (p *provider) calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.at)
}

func (p *provider) answer(s script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script = s
}

func (p *provider) Create(ctx context.Context, _ payment.CreateRequest) (payment.Intent, error) {
	return payment.Intent{Reference: "pi_1"}, p.call(ctx)
}

func (p *provider) Retrieve(ctx context.Context, reference string) (payment.Intent, error) {
	return payment.Intent{Reference: reference}, p.call(ctx)
}

// mailbox is the same for mail.
type mailbox struct{ *provider }

func (m mailbox) Features() email.Features { return email.Features{} }

func (m mailbox) Send(ctx context.Context, _ email.Message) (email.Receipt, error) {
	return email.Receipt{Reference: "1"}, m.call(ctx)
}

// rig is a provider with the default policy, on virtual time.
type rig struct {
	provider *provider
	gateway  *resilience.Gateway
	mailer   *resilience.Mailer
	mu       sync.Mutex
	events   []resilience.Event
}

// withPolicy runs a test with the default policy, or a changed one, on virtual time.
func withPolicy(t *testing.T, change func(*resilience.Policy), test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{provider: &provider{script: good}}
		policy := defaultpolicy.Provider()
		if change != nil {
			change(&policy)
		}
		o := resilience.Options{Policy: policy, Observe: func(e resilience.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
		}}
		r.gateway, r.mailer = resilience.NewGateway(r.provider, o), resilience.NewMailer(mailbox{r.provider}, o)
		test(t, r)
	})
}

func (r *rig) pay(ctx context.Context) error {
	_, err := r.gateway.Create(ctx, payment.CreateRequest{})
	return err
}

func (r *rig) decisions() (list []resilience.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		list = append(list, e.Decision)
	}
	return list
}

func checkKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("error = %v, want kind %s", err, want)
	}
}

func (r *rig) checkCalls(t *testing.T, want int) {
	t.Helper()
	if got := r.provider.calls(); got != want {
		t.Errorf("calls of the provider = %d, want %d", got, want)
	}
}

// checkTook checks how long something has taken since start.
func checkTook(t *testing.T, start time.Time, least, most time.Duration) {
	t.Helper()
	if took := time.Since(start); took < least || took > most {
		t.Errorf("took %s, want at least %s and at most %s", took, least, most)
	}
}

func good(context.Context, int) error { return nil }

func fails(kinds ...fault.Kind) script {
	return func(_ context.Context, n int) error {
		if n > len(kinds) {
			return nil
		}
		return fault.New(kinds[n-1], "scripted", "")
	}
}

func always(kind fault.Kind) script {
	return func(context.Context, int) error { return fault.New(kind, "scripted", "") }
}
