package emails_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
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

var (
	errDown    = fault.New(fault.Unavailable, "scripted", "nothing was written")
	errRefused = fault.New(fault.Invalid, "scripted", "")
)

// call is one call of a provider: it stands still, and its process with it, until it is
// woken. Without wake it is answered at once.
type call struct {
	wake chan struct{}
	err  error
}

// halting is a provider that answers the first calls as the test says, and accepts all others.
type halting struct {
	mailer
	calls []call
	made  atomic.Int64
}

func (h *halting) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if n := int(h.made.Add(1)); n <= len(h.calls) {
		c := h.calls[n-1]
		if c.wake != nil {
			<-c.wake
		}
		if c.err != nil {
			return email.Receipt{}, c.err
		}
	}
	return h.mailer.Send(ctx, m)
}

// pair is two processes on one journal.
type pair struct {
	*emails.Service // the one that accepts
	provider        *halting
}

// inPair runs a test on virtual time with both at work. fail is asked by the journal. The
// others are providers after the first.
func inPair(t *testing.T, calls []call, fail func(op string) error, test func(t *testing.T, p pair), others ...ports.Mailer) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		journal := memjournal.New(clock.System{})
		var open atomic.Bool // what is saved at the start is not counted
		journal.Fail = func(op string) error {
			if fail == nil || !open.Load() {
				return nil
			}
			return fail(op)
		}
		provider := &halting{mailer: mailer{name: "first", sent: map[string]int{}}, calls: calls}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		start := func(owner string) *emails.Service {
			s := emails.New(emails.Options{
				Journal: journal, Mailers: append([]ports.Mailer{provider}, others...), Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
				From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: owner, Log: slog.New(slog.DiscardHandler),
			})
			running.Go(func() { s.Run(ctx) })
			synctest.Wait()
			return s
		}
		p := pair{start("one"), provider}
		start("two")
		open.Store(true)
		test(t, p)
		stop()
		running.Wait()
	})
}

func (p pair) accept(t *testing.T, delivery email.Delivery) email.Message {
	t.Helper()
	d := draft()
	d.Delivery = delivery
	m, _, err := p.Accept(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (p pair) want(t *testing.T, id string, status email.Status, attempts string, copies int) {
	t.Helper()
	m, err := p.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	if n := p.provider.copies(id); m.Status != status || outcomes(m) != attempts || n != copies {
		t.Errorf("%s after %q, %d copies; want %s after %q, %d", m.Status, outcomes(m), n, status, attempts, copies)
	}
	for _, a := range m.Attempts {
		if accepted := a.Outcome == email.Accepted; accepted != (a.Code == "") || accepted != (a.Reference != "") {
			t.Errorf("%s with the code %q and the reference %q", a.Outcome, a.Code, a.Reference)
		}
	}
}

// A process is stopped in its attempt beyond its lease. Others go on with the message;
// then it wakes, and brings how its attempt ended.
func TestWhatBecomesOfALateOutcome(t *testing.T) {
	nothing := func(*testing.T, pair, string) {}
	retry := func(t *testing.T, p pair, id string) {
		if _, err := p.Retry(t.Context(), tenant, id); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
	}
	cancel := func(t *testing.T, p pair, id string) {
		if _, err := p.Cancel(t.Context(), tenant, id); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name       string
		delivery   email.Delivery
		late, next error // of the late call, and of the one after it
		halts      bool  // the one after it ends after the late one
		meanwhile  func(t *testing.T, p pair, id string)
		before     email.Status // when it comes
		status     email.Status
		attempts   string
		copies     int
	}{
		{"a refusal, of what is unknown", email.AtMostOnce, errDown, nil, false, nothing, email.Unknown, email.Unknown, "first:ambiguous ", 0},
		{"a refusal, of what a person had sent again", email.AtMostOnce, errDown, nil, false, retry, email.Sent, email.Sent, "first:ambiguous first:accepted ", 1},
		{"a refusal, of what was canceled", email.AtLeastOnce, errDown, errDown, false, cancel, email.Canceled, email.Canceled, "first:ambiguous first:not_accepted ", 0},
		{"a refusal, of what was refused since", email.AtLeastOnce, errDown, errRefused, false, nothing, email.Unknown, email.Unknown, "first:ambiguous first:rejected_message ", 0},
		{"a refusal for good, of what waits", email.AtLeastOnce, errRefused, errDown, false, nothing, email.Queued, email.Sent, "first:ambiguous first:not_accepted first:accepted ", 1},
		{"a refusal for good, of what is being sent again", email.AtLeastOnce, errRefused, nil, true, nothing, email.Sending, email.Sent, "first:ambiguous first:accepted ", 1},
		{"an acceptance, of what is unknown", email.AtMostOnce, nil, nil, false, nothing, email.Unknown, email.Sent, "first:accepted ", 1},
		{"an acceptance, of what a person had sent again", email.AtMostOnce, nil, nil, false, retry, email.Sent, email.Sent, "first:accepted first:accepted ", 2},
		{"an acceptance, of what was canceled", email.AtLeastOnce, nil, errDown, false, cancel, email.Canceled, email.Sent, "first:accepted first:not_accepted ", 1},
		{"an acceptance, of what was refused since", email.AtLeastOnce, nil, errRefused, false, nothing, email.Unknown, email.Sent, "first:accepted first:rejected_message ", 1},
		{"an acceptance, of what waits", email.AtLeastOnce, nil, errDown, false, nothing, email.Queued, email.Sent, "first:accepted first:not_accepted ", 1},
		{"an acceptance, of what is being sent again in vain", email.AtLeastOnce, nil, errDown, true, nothing, email.Sending, email.Sent, "first:accepted first:not_accepted ", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			late, next := call{err: tt.late}, call{err: tt.next}
			inPair(t, []call{late, next}, nil, func(t *testing.T, p pair) {
				p.provider.calls[0].wake = make(chan struct{})
				if tt.halts {
					p.provider.calls[1].wake = make(chan struct{})
				}
				m := p.accept(t, tt.delivery)
				<-time.After(70 * time.Second) // the lease is over, and it was tried again
				tt.meanwhile(t, p, m.ID)
				if got, err := p.Get(t.Context(), tenant, m.ID); err != nil || got.Status != tt.before {
					t.Fatalf("before: %s, %v", got.Status, err)
				}
				close(p.provider.calls[0].wake)
				synctest.Wait()
				if tt.halts {
					close(p.provider.calls[1].wake)
				}
				<-time.After(time.Hour)
				p.want(t, m.ID, tt.status, tt.attempts, tt.copies)
			})
		})
	}
}

// An attempt that was given up turns out to have been accepted, while another one is made.
func TestAMessageThatWasTakenAfterAllDoesNotMoveOn(t *testing.T) {
	second := &mailer{name: "second", sent: map[string]int{}}
	inPair(t, []call{{}, {err: errDown}}, nil, func(t *testing.T, p pair) {
		for i := range p.provider.calls {
			p.provider.calls[i].wake = make(chan struct{})
		}
		m := p.accept(t, email.AtLeastOnce)
		<-time.After(110 * time.Second) // the lease is over, and it is being tried again
		for i := range p.provider.calls {
			close(p.provider.calls[i].wake)
			synctest.Wait()
		}
		<-time.After(time.Hour)
		p.want(t, m.ID, email.Sent, "first:accepted first:not_accepted ", 1)
		if n := second.tried(); n != 0 {
			t.Errorf("the next provider was asked %d times", n)
		}
	}, second)
}

// The lease of an attempt is over, and whoever has the claim by now is about to save that
// nobody knows how it ended. The attempt ends just then.
func TestOnlyTheHolderOfTheClaimDecidesByARefusal(t *testing.T) {
	var saves atomic.Int64
	var gate chan struct{} // made before anything is saved
	fail := func(op string) error {
		if op == memjournal.Save && saves.Add(1) == 3 { // accepted, begun, given up
			<-gate
		}
		return nil
	}
	inPair(t, []call{{err: errDown}}, fail, func(t *testing.T, p pair) {
		gate, p.provider.calls[0].wake = make(chan struct{}), make(chan struct{})
		m := p.accept(t, email.AtMostOnce)
		<-time.After(60 * time.Second)
		close(p.provider.calls[0].wake)
		<-time.After(time.Second)
		close(gate)
		<-time.After(time.Hour)
		p.want(t, m.ID, email.Unknown, "first:ambiguous ", 0)
	})
}

// The lease is nearly over when the message moves on to the next provider. It is over, and
// the message canceled by others, before the journal's lost answer to that is looked into.
func TestAnAttemptIsNotMadeWhoseClaimIsLost(t *testing.T) {
	var saved atomic.Int64
	var gate chan struct{} // made before anything is saved
	fail := func(op string) error {
		if op == memjournal.Saved && saved.Add(1) == 4 { // accepted, begun, refused, begun at the next
			<-gate
			return fault.New(fault.UnknownOutcome, "scripted", "")
		}
		return nil
	}
	second := &mailer{name: "second", sent: map[string]int{}}
	inPair(t, []call{{err: errDown}}, fail, func(t *testing.T, p pair) {
		gate, p.provider.calls[0].wake = make(chan struct{}), make(chan struct{})
		m := p.accept(t, email.AtLeastOnce)
		<-time.After(95 * time.Second) // of 100
		close(p.provider.calls[0].wake)
		<-time.After(7 * time.Second)
		if _, err := p.Cancel(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		close(gate)
		<-time.After(time.Hour)
		p.want(t, m.ID, email.Canceled, "first:not_accepted second:ambiguous ", 0)
		if n := second.tried(); n != 0 {
			t.Errorf("the next provider was asked %d times", n)
		}
	}, second)
}

func TestAnOutcomeWhoseAnswerIsLostIsSavedOnce(t *testing.T) {
	tests := []struct {
		name          string
		first, second func(int) error
		status        email.Status
		attempts      string
		failures      int
		saves         int64
	}{
		{"accepted", nil, nil, email.Sent, "first:accepted ", 0, 3},
		{"refused for good", always(fault.Invalid), nil, email.Failed, "first:rejected_message ", 0, 3},
		{"refused, and the next provider asked", once(fault.Unavailable), nil, email.Sent, "first:not_accepted second:accepted ", 0, 5},
		{"refused, and put off", once(fault.Overloaded), nil, email.Sent, "first:not_accepted first:accepted ", 1, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var saved atomic.Int64
			lost := func(op string) error {
				if op == memjournal.Saved && saved.Add(1) == 3 { // accepted, begun, ended
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				return nil
			}
			within(t, tt.first, tt.second, lost, func(t *testing.T, r rig) {
				m := r.accept(t, draft())
				<-time.After(time.Minute)
				m = r.get(t, m.ID)
				if n := saved.Load(); m.Status != tt.status || outcomes(m) != tt.attempts || m.Failures != tt.failures || n != tt.saves {
					t.Errorf("%s after %q, %d failures, saved %d times; want %s after %q, %d, %d",
						m.Status, outcomes(m), m.Failures, n, tt.status, tt.attempts, tt.failures, tt.saves)
				}
			})
		})
	}
}

// The answer to a refusal's save is lost, and the store cannot be read until the message
// was tried again and sent.
func TestARefusalIsNotDecidedUponAgainOverWhatCameAfterIt(t *testing.T) {
	var saved atomic.Int64
	var blind atomic.Bool
	fail := func(op string) error {
		switch {
		case op == memjournal.Saved && saved.Add(1) == 3: // accepted, begun, refused
			blind.Store(true)
			return fault.New(fault.UnknownOutcome, "scripted", "")
		case op == memjournal.Get && blind.Load() && saved.Load() < 5: // until it has begun and ended again
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	within(t, once(fault.Unavailable), nil, fail, func(t *testing.T, r rig) {
		r.second.leaveAlone(fault.New(fault.Unavailable, "scripted", ""))
		d := draft()
		d.Delivery = email.AtMostOnce
		m := r.accept(t, d)
		<-time.After(time.Hour)
		if n := r.first.copies(m.ID) + r.second.copies(m.ID); n != 1 {
			t.Errorf("%d copies went out", n)
		}
	})
}
