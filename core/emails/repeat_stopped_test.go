package emails_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/suppression"
	"patchbay/ports"
)

// stoplist are suppressions of some addresses, which may fail to be read.
type stoplist struct {
	ports.Suppressions // nothing else is asked for here

	mu   sync.Mutex
	all  map[string]suppression.Reason
	fail error
}

func (s *stoplist) set(address string, fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.fail = map[string]suppression.Reason{address: suppression.Bounced}, fail
}

// Suppressed implements ports.Suppressions.
func (s *stoplist) Suppressed(context.Context, string, email.Category, []string) (map[string]suppression.Reason, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all, s.fail
}

// stopping runs a test with a provider that remembers attempts and answers nobody for ten minutes. It takes what it
// is asked for before that only if arrives is set.
func stopping(t *testing.T, arrives, merges bool, test func(t *testing.T, s *emails.Service, first *keyed, stops *stoplist)) {
	t.Helper()
	var well time.Time
	first := &keyed{name: "first", merges: merges}
	first.breaks = func(m email.Message) error {
		if !time.Now().Before(well) {
			return nil
		}
		if arrives {
			if err := first.take(m); err != nil {
				return err
			}
		}
		return errNoAnswer
	}
	withRates(t, nil, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		well = time.Now().Add(10 * time.Minute)
		o, stops := r.options("one"), &stoplist{}
		o.Suppressions = stops
		s, stop := run(t, o)
		defer stop()
		test(t, s, first, stops)
	})
}

// The first call may not have arrived, and the repeat would then be what sends.
func TestACallIsNotRepeatedForARecipientWhoWasSuppressedSince(t *testing.T) {
	for _, tt := range []struct {
		name     string
		arrives  bool
		to       []string
		delivery email.Delivery
		status   email.Status
		sent     int // messages that went out
	}{
		{"the only one", false, []string{"ada@example.com"}, email.AtMostOnce, email.Unknown, 0},
		{"the only one, at least once", false, []string{"ada@example.com"}, email.AtLeastOnce, email.Unknown, 0},
		{"the only one, to whom it was sent", true, []string{"ada@example.com"}, email.AtLeastOnce, email.Unknown, 1},
		{"one of two", false, []string{"ada@example.com", "bob@example.com"}, email.AtMostOnce, email.Unknown, 0},
		{"one of two, at least once", false, []string{"ada@example.com", "bob@example.com"}, email.AtLeastOnce, email.Sent, 1},
		{"another one", false, []string{"bob@example.com"}, email.AtMostOnce, email.Sent, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stopping(t, tt.arrives, false, func(t *testing.T, s *emails.Service, first *keyed, stops *stoplist) {
				d := draft()
				d.Delivery, d.To = tt.delivery, nil
				for _, address := range tt.to {
					d.To = append(d.To, email.Address{Email: address})
				}
				m := mustAccept(t, s, d, idempotency.Key{})
				<-time.After(time.Second)
				stops.set("ada@example.com", nil)
				<-time.After(24 * time.Hour)
				m = stateOf(t, s, m.ID)
				equal(t, "status", m.Status, tt.status)
				equal(t, "messages that went out", first.sent, tt.sent)
				if tt.status == email.Unknown {
					equal(t, "code", m.Attempts[0].Code, "recipient_suppressed")
				}
			})
		})
	}
}

// A recipient who was left out at the first call is left out by its repeats: they are the same call.
func TestACallThatLeftARecipientOutIsRepeated(t *testing.T) {
	stopping(t, false, false, func(t *testing.T, s *emails.Service, first *keyed, stops *stoplist) {
		stops.set("ada@example.com", nil)
		d := draft()
		d.Delivery, d.To = email.AtMostOnce, []email.Address{{Email: "ada@example.com"}, {Email: "bob@example.com"}}
		m := mustAccept(t, s, d, idempotency.Key{})
		<-time.After(time.Minute)
		stops.set("cy@example.com", nil) // ada's was removed
		<-time.After(time.Hour)
		m = stateOf(t, s, m.ID)
		equal(t, "status", m.Status, email.Sent)
		equal(t, "attempts", outcomes(m), "first:accepted ")
		equal(t, "messages that went out", first.sent, 1)
	})
}

// While it is not known who is suppressed, nothing is sent, and nothing is given up.
func TestACallIsRepeatedOnceItIsKnownWhoIsSuppressed(t *testing.T) {
	stopping(t, false, false, func(t *testing.T, s *emails.Service, first *keyed, stops *stoplist) {
		d := draft()
		d.Delivery = email.AtMostOnce
		m := mustAccept(t, s, d, idempotency.Key{})
		<-time.After(time.Second)
		stops.set("", fault.New(fault.Unavailable, "scripted", ""))
		<-time.After(time.Hour)
		equal(t, "status", stateOf(t, s, m.ID).Status, email.Sending)
		equal(t, "messages that went out", first.sent, 0)
		stops.set("", nil)
		<-time.After(time.Hour)
		equal(t, "status in the end", stateOf(t, s, m.ID).Status, email.Sent)
	})
}

func TestACallIsNotRepeatedAfterTheBatchWasCanceled(t *testing.T) {
	for _, tt := range []struct {
		name     string
		merges   bool
		delivery email.Delivery
		status   email.Status
	}{
		{"together, at most once", true, email.AtMostOnce, email.Unknown},
		{"together, at least once", true, email.AtLeastOnce, email.Canceled},
		{"one by one, at most once", false, email.AtMostOnce, email.Unknown},
		{"one by one, at least once", false, email.AtLeastOnce, email.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stopping(t, false, tt.merges, func(t *testing.T, s *emails.Service, first *keyed, _ *stoplist) {
				id := canceledInDoubt(t, s, tt.delivery)
				<-time.After(24 * time.Hour)
				b, err := s.GetBatch(t.Context(), tenant, id)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "copies with that status", b.Counts[tt.status], 3)
				equal(t, "messages that went out", first.sent, 0)
			})
		})
	}
}

// canceledInDoubt returns the id of a batch of three that was canceled after its first calls, whose outcome is
// not known.
func canceledInDoubt(t *testing.T, s *emails.Service, delivery email.Delivery) (id string) {
	t.Helper()
	d := batchOf(3)
	d.Delivery = delivery
	b, _, err := s.AcceptBatch(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(2 * time.Second)
	if _, err := s.CancelBatch(t.Context(), tenant, b.ID); err != nil {
		t.Fatal(err)
	}
	return b.ID
}

// A retry of a message is meant, although its batch was canceled before.
func TestACallOfAMessageThatWasRetriedAfterItsBatchWasCanceledIsRepeated(t *testing.T) {
	stopping(t, false, true, func(t *testing.T, s *emails.Service, first *keyed, _ *stoplist) {
		id := canceledInDoubt(t, s, email.AtMostOnce)
		<-time.After(time.Minute)
		page, err := s.List(t.Context(), tenant, emails.Filter{Batch: id}, "", 10)
		if err != nil || len(page.Messages) != 1 {
			t.Fatalf("messages %v, %v; want one", page.Messages, err)
		}
		if _, err := s.Retry(t.Context(), tenant, page.Messages[0].ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		equal(t, "status", stateOf(t, s, page.Messages[0].ID).Status, email.Sent)
		equal(t, "messages that went out", first.sent, 1)
	})
}
