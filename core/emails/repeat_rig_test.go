package emails_test

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

// memory is for how long a keyed provider remembers an attempt.
const memory = 24 * time.Hour

var (
	errNoAnswer   = fault.New(fault.UnknownOutcome, "no_answer", "the answer is lost")
	errInProgress = fault.New(fault.UnknownOutcome, "in_progress", "the first call is in progress")
	errOtherMail  = &fault.Error{Kind: fault.UnknownOutcome, Code: "other_payload", NoRetry: true}
	errKeyRevoked = fault.New(fault.Unauthorized, "key_revoked", "the key is not valid any more")
	errBadMail    = fault.New(fault.Invalid, "rejected", "the message is refused")
)

// reaction is how a keyed provider reacts to a call.
type reaction struct {
	takes bool          // it takes the message, unless it has taken the attempt before
	wake  chan struct{} // if set, the call and its process stand still until it is closed
	err   error         // what the caller gets; nil for the truth
}

// keyed is a provider that remembers attempts. It reacts to the first calls as the test says, and takes
// the message of any other.
type keyed struct {
	name      string
	account   string // empty means "first account"
	merges    bool   // it carries the copies of a batch in one call
	reactions []reaction
	// breaks, if set, says with which error a call of a message ends that does not take it.
	breaks func(m email.Message) error

	mu    sync.Mutex
	calls []time.Time
	taken map[string]taken // by the id of the attempt
	sent  int              // messages that went out
	down  error            // what Available says
}

// taken is a message that was taken.
type taken struct {
	message string // everything that was told of it
	subject string
	at      time.Time
}

func (k *keyed) Name() string { return k.name }

func (k *keyed) Features() email.Features {
	f := email.Features{Metadata: true, Tags: 10, KeyMemory: memory, Account: cmp.Or(k.account, "first account")}
	if k.merges {
		f.Personalizations, f.MergesContent = 1000, true
	}
	return f
}

func (k *keyed) Available() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.down
}

func (k *keyed) leaveAlone(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = err
}

// Send implements ports.Mailer.
func (k *keyed) Send(_ context.Context, m email.Message) (email.Receipt, error) {
	k.mu.Lock()
	r := reaction{takes: true}
	if len(k.calls) < len(k.reactions) {
		r = k.reactions[len(k.calls)]
	}
	k.calls = append(k.calls, time.Now())
	k.mu.Unlock()
	if r.wake != nil {
		<-r.wake
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.breaks != nil {
		if err := k.breaks(m); err != nil {
			return email.Receipt{}, err
		}
	}
	if r.takes {
		if err := k.take(m); err != nil {
			return email.Receipt{}, err
		}
	}
	return email.Receipt{Reference: "ref"}, r.err
}

// take takes a message, once for each attempt that is remembered.
func (k *keyed) take(m email.Message) error {
	said, err := json.Marshal([]any{
		m.From, m.To, m.Cc, m.Bcc, m.ReplyTo, m.Subject, m.HTML, m.Text, m.Headers, m.Attachments, m.Tags, m.Variables(), m.MessageID, m.CreatedAt,
	})
	if err != nil {
		return err
	}
	if k.taken == nil {
		k.taken = map[string]taken{}
	}
	id := m.LastAttempt().ID
	switch before, known := k.taken[id]; {
	case known && time.Since(before.at) < memory && before.message != string(said):
		return errOtherMail
	case known && time.Since(before.at) < memory:
		return nil
	}
	k.taken[id] = taken{string(said), m.Subject, time.Now()}
	k.sent++
	return nil
}

// state returns the number of messages that went out, and when the calls were made, since the first.
func (k *keyed) state() (sent int, calls []time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, at := range k.calls {
		calls = append(calls, at.Sub(k.calls[0]))
	}
	return k.sent, calls
}

// repeats is an installation whose first provider remembers attempts, and whose second does not.
type repeats struct {
	journal *memjournal.Journal
	first   *keyed
	second  *mailer
	running []func()
}

// repeating runs a test on virtual time. The first provider reacts as the test says.
func repeating(t *testing.T, reactions []reaction, test func(t *testing.T, r *repeats)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &repeats{
			journal: memjournal.New(clock.System{}), first: &keyed{name: "first", reactions: reactions},
			second: &mailer{name: "second", sent: map[string]int{}, features: email.Features{Metadata: true, Tags: 10}},
		}
		test(t, r)
		for _, end := range r.running {
			end()
		}
	})
}

// start starts a gateway with both providers, or with others.
func (r *repeats) start(t *testing.T, owner string, c ports.Clock, restored time.Time, others ...ports.Mailer) (s *emails.Service, stop func()) {
	t.Helper()
	if others == nil {
		others = []ports.Mailer{r.first, r.second}
	}
	s = emails.New(emails.Options{
		Journal: r.journal, Mailers: others, Text: htmltext.Text{}, Clock: c, IDs: ids.UUIDs{},
		From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: owner, Log: slog.New(slog.DiscardHandler),
		Restored: since(restored), ASCIIAddress: func(email string) (string, error) { return email, nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	synctest.Wait()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.running = append(r.running, stop)
	return s, stop
}

// accept accepts a message with everything that a call may carry.
func (r *repeats) accept(t *testing.T, s *emails.Service, delivery email.Delivery) email.Message {
	t.Helper()
	d := draft()
	d.Delivery, d.Tags, d.Metadata = delivery, []string{"welcome"}, map[string]string{"order": "17", "customer": "9"}
	return mustAccept(t, s, d, idempotency.Key{})
}

// want checks a message, and how many copies of it each of the providers has sent.
func (r *repeats) want(t *testing.T, s *emails.Service, id string, status email.Status, attempts string, first, second int) email.Message {
	t.Helper()
	m, err := s.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "status", m.Status, status)
	equal(t, "attempts", outcomes(m), attempts)
	sent, _ := r.first.state()
	equal(t, "copies by the first provider", sent, first)
	equal(t, "copies by the second provider", r.second.copies(id), second)
	return m
}

// wantCalls checks how many calls the first provider got.
func (r *repeats) wantCalls(t *testing.T, want int) {
	t.Helper()
	_, calls := r.first.state()
	equal(t, "calls of the first provider", len(calls), want)
}
