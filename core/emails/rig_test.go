package emails_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

const tenant = "default"

// mailer is a provider in memory that fails as its field fail says.
type mailer struct {
	name     string
	features email.Features

	mu   sync.Mutex
	down error // what Available says
	fail func(try int) error
	// sending, if set, is called with each message.
	sending func(email.Message)
	tries   int
	sent    map[string]int // copies of each message
}

func (m *mailer) Name() string             { return m.name }
func (m *mailer) Features() email.Features { return m.features }

func (m *mailer) Available() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.down
}

func (m *mailer) leaveAlone(err error) { m.mu.Lock(); m.down = err; m.mu.Unlock() }

func (m *mailer) Send(_ context.Context, msg email.Message) (email.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	if m.sending != nil {
		m.sending(msg)
	}
	if m.fail != nil {
		err := m.fail(m.tries)
		if err != nil && !fault.Is(err, fault.UnknownOutcome) {
			return email.Receipt{}, err
		}
		if err != nil {
			m.sent[msg.ID]++ // it went out, and the answer was lost
			return email.Receipt{}, err
		}
	}
	m.sent[msg.ID]++
	return email.Receipt{Reference: "ref"}, nil
}

func (m *mailer) tried() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tries
}

func (m *mailer) copies(id string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent[id]
}

// always fails every try with a kind.
func always(kind fault.Kind) func(int) error {
	return func(int) error { return fault.New(kind, "scripted", "") }
}

// once fails the first try with a kind.
func once(kind fault.Kind) func(int) error {
	return func(try int) error {
		if try == 1 {
			return fault.New(kind, "scripted", "")
		}
		return nil
	}
}

// refuses refuses every message for good, for a reason that is this provider's own.
func refuses(int) error {
	return &fault.Error{
		Kind: fault.Refused, Code: "sender_not_verified", Message: "the sender is not verified", NoRetry: true,
		Answer: &fault.Answer{Status: 403, Field: "from", Words: "does not match a verified sender"},
	}
}

type rig struct {
	*emails.Service
	first, second *mailer
}

// within runs a test on virtual time with the worker at work. fail is asked by
// the journal.
func within(t *testing.T, first, second func(int) error, fail func(op string) error, test func(t *testing.T, r rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		journal := memjournal.New(clock.System{})
		var open atomic.Bool // what it saves for itself at its start is not counted
		journal.Fail = func(op string) error {
			if fail == nil || !open.Load() {
				return nil
			}
			return fail(op)
		}
		r := rig{
			first:  &mailer{name: "first", fail: first, sent: map[string]int{}},
			second: &mailer{name: "second", fail: second, sent: map[string]int{}, features: email.Features{Tags: 1}},
		}
		r.Service = emails.New(emails.Options{
			Journal: journal, Mailers: []ports.Mailer{r.first, r.second}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
			From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: slog.New(slog.DiscardHandler),
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		synctest.Wait()
		open.Store(true)
		test(t, r)
		stop()
		<-done
	})
}

func draft() email.Draft {
	return email.Draft{To: []email.Address{{Email: "ada@example.com"}}, Subject: "Hello", HTML: "<p>Hello</p>"}
}

func key(value string) idempotency.Key {
	return idempotency.Secret(nil).Conceal(idempotency.New(tenant, "POST /api/emails", value, []byte("a")))
}

func (r rig) accept(t *testing.T, d email.Draft) email.Message {
	t.Helper()
	m, _, err := r.Accept(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (r rig) get(t *testing.T, id string) email.Message {
	t.Helper()
	m, err := r.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// outcomes lists the attempts of a message, each as "provider:outcome ".
func outcomes(m email.Message) (list string) {
	for _, a := range m.Attempts {
		list += fmt.Sprintf("%s:%s ", a.Provider, a.Outcome)
	}
	return list
}
