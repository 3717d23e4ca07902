package emails_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// Once an attempt was ambiguous the message may have been sent, whatever ends it afterwards.
func TestAMessageThatMayHaveBeenSentEndsUnknownWhateverEndsIt(t *testing.T) {
	wait := func(d time.Duration) func(*testing.T, *bureau, string) {
		return func(*testing.T, *bureau, string) { <-time.After(d) }
	}
	lists := func(t *testing.T, b *bureau, names ...string) {
		for _, name := range names {
			if _, err := b.suppressed.Add(context.Background(), tenant, suppressionOf(name)); err != nil {
				t.Error(err)
			}
		}
	}
	type row struct {
		delivery email.Delivery
		expires  time.Duration // after its acceptance; 0 for never
		// prepare is called before the message is accepted, meanwhile after its first attempt.
		prepare    func(t *testing.T, b *bureau)
		meanwhile  func(t *testing.T, b *bureau, id string)
		recipients string
	}
	down := func(kind fault.Kind) func(t *testing.T, b *bureau) {
		return func(_ *testing.T, b *bureau) { b.second.fail = always(kind) }
	}
	for name, tt := range map[string]row{
		"all recipients are suppressed since": {
			email.AtLeastOnce, 0, down(fault.Unavailable), func(t *testing.T, b *bureau, _ string) { lists(t, b, "ada", "eve") }, "unknown unknown",
		},
		"one is refused by name, and the other is suppressed since": {
			email.AtLeastOnce, 0, func(t *testing.T, b *bureau) {
				b.second.refusing("550", "eve")
				b.second.sending = func(email.Message) { lists(t, b, "ada") }
			}, wait(time.Minute), "unknown bounced",
		},
		"all are refused by name": {
			email.AtLeastOnce, 0, func(_ *testing.T, b *bureau) { b.second.refusing("550", "ada", "eve") }, wait(time.Minute), "bounced bounced",
		},
		"the message is refused": {email.AtLeastOnce, 0, down(fault.Invalid), wait(time.Minute), "unknown unknown"},
		"it expires":             {email.AtLeastOnce, time.Hour, down(fault.Unavailable), wait(2 * time.Hour), "unknown unknown"},
		"no provider takes it":   {email.AtLeastOnce, 0, down(fault.Unavailable), wait(40 * time.Hour), "unknown unknown"},
		"it may go out once":     {email.AtMostOnce, 0, func(*testing.T, *bureau) {}, wait(time.Minute), "unknown unknown"},
		"a person retries it, and it is refused": {email.AtMostOnce, 0, func(*testing.T, *bureau) {}, func(t *testing.T, b *bureau, id string) {
			b.first.mu.Lock()
			b.first.fail = always(fault.Invalid)
			b.first.mu.Unlock()
			if _, err := b.Retry(t.Context(), tenant, id); err != nil {
				t.Fatal(err)
			}
		}, "unknown unknown"},
		"a person retries it, and all are suppressed": {email.AtMostOnce, 0, func(*testing.T, *bureau) {}, func(t *testing.T, b *bureau, id string) {
			lists(t, b, "ada", "eve")
			if _, err := b.Retry(t.Context(), tenant, id); err != nil {
				t.Fatal(err)
			}
		}, "unknown unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			first := func(try int) error {
				if try == 1 {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				return fault.New(fault.Unavailable, "scripted", "")
			}
			inBureau(t, first, nil, func(t *testing.T, b *bureau) {
				tt.prepare(t, b)
				d := draft()
				d.Delivery, d.To = tt.delivery, []email.Address{{Email: "ada@example.com"}, {Email: "eve@example.com"}}
				if tt.expires > 0 {
					d.ExpiresAt = time.Now().Add(tt.expires)
				}
				m := mustAccept(t, b.Service, d, idempotency.Key{})
				synctest.Wait()
				tt.meanwhile(t, b, m.ID)
				<-time.After(time.Minute)
				synctest.Wait()
				m = b.get(t, m.ID)
				equal(t, "the first attempt", m.Attempts[0].Outcome, email.Ambiguous)
				equal(t, "the status", m.Status, email.Unknown)
				equal(t, "the recipients", states(m), tt.recipients)
			})
		})
	}
}
