package emails_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/template"
	"patchbay/tests/memjournal"
)

func TestABatchThatAProviderDidNotAcceptIsSplitForTheNext(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Unavailable, fault.Unauthorized, fault.RateLimited, fault.QuotaExceeded} {
		t.Run(kind.String(), func(t *testing.T) {
			first, second := merging("first", fails(-1, kind)), single("second", nil)
			withBatches(t, []*line{first, second}, func(t *testing.T, o *batchRig) {
				b := o.send(t, batchOf(3), idempotency.Key{})
				<-time.After(time.Minute)
				second.got(t, 3, 1)
				equal(t, "counts", o.counts(t, b.ID), "sent:3")
			})
		})
	}
}

func TestAnAmbiguousBatchIsSentAgainTogether(t *testing.T) {
	first, second := merging("first", fails(1, fault.UnknownOutcome)), single("second", nil)
	withBatches(t, []*line{first, second}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(3), idempotency.Key{})
		<-time.After(time.Hour)
		first.got(t, 3, 2)
		equal(t, "calls", fmt.Sprint(first.calls), "[[u0@example.com u1@example.com u2@example.com] [u0@example.com u1@example.com u2@example.com]]")
		equal(t, "calls of the provider that sends one by one", len(second.calls), 0)
		equal(t, "counts", o.counts(t, b.ID), "sent:3")
	})
}

func TestAnAmbiguousBatchUnderAtMostOnceIsNotSentAgain(t *testing.T) {
	first, second := merging("first", fails(1, fault.UnknownOutcome)), single("second", nil)
	withBatches(t, []*line{first, second}, func(t *testing.T, o *batchRig) {
		d := batchOf(3)
		d.Delivery = email.AtMostOnce
		b := o.send(t, d, idempotency.Key{})
		<-time.After(24 * time.Hour)
		first.got(t, 3, 1)
		equal(t, "calls of the second", len(second.calls), 0)
		equal(t, "counts", o.counts(t, b.ID), "unknown:3")
	})
}

func TestABatchThatIsRefusedAfterAnAmbiguousAttemptIsNotSplit(t *testing.T) {
	tries := 0
	first := merging("first", func(email.Message) error {
		switch tries++; tries {
		case 1:
			return fault.New(fault.UnknownOutcome, "scripted", "")
		case 2:
			return fault.New(fault.Invalid, "scripted", "")
		}
		return nil
	})
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(3), idempotency.Key{})
		<-time.After(time.Hour)
		first.got(t, 3, 1)
		equal(t, "counts", o.counts(t, b.ID), "unknown:3")
	})
}

func TestOneBadAddressDoesNotStopTheOthers(t *testing.T) {
	first := merging("first", func(m email.Message) error {
		bad := func(a email.Address) bool { return a.Email == "u1@example.com" }
		for _, p := range m.Personalizations {
			if slices.ContainsFunc(p.To, bad) {
				return fault.New(fault.Invalid, "scripted", "")
			}
		}
		if slices.ContainsFunc(m.To, bad) {
			return fault.New(fault.Invalid, "scripted", "")
		}
		return nil
	})
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(3), idempotency.Key{})
		<-time.After(time.Minute)
		equal(t, "copies for the bad address", len(first.sent["u1@example.com"]), 0)
		equal(t, "copies for another", len(first.sent["u0@example.com"]), 1)
		equal(t, "counts", o.counts(t, b.ID), "failed:1 sent:2")
	})
}

// The process may die, or the store fail, at any call. What was split is not sent together as well, and nothing
// is left behind.
func TestASplitThatIsInterruptedSendsNothingTwice(t *testing.T) {
	for n := range 12 {
		for _, at := range []struct {
			op   string
			kind fault.Kind
		}{
			{memjournal.Save, fault.UnknownOutcome},
			{memjournal.Saved, fault.UnknownOutcome},
			{memjournal.Save, fault.Unavailable},
			{memjournal.Get, fault.Unavailable},
		} {
			t.Run(fmt.Sprintf("%s %d %s", at.op, n, at.kind), func(t *testing.T) {
				first, second := merging("first", fails(1, fault.Unavailable)), single("second", nil)
				withBatches(t, []*line{first, second}, func(t *testing.T, o *batchRig) {
					b := o.send(t, batchOf(3), idempotency.Key{})
					var count atomic.Int64
					fail := func(op string) error {
						if op == at.op && count.Add(1) == int64(n+1) {
							return fault.New(at.kind, "scripted", "")
						}
						return nil
					}
					o.fail.Store(&fail)
					<-time.After(6 * time.Hour)
					for i := range 3 {
						address := fmt.Sprintf("u%d@example.com", i)
						if n := len(first.sent[address]) + len(second.sent[address]); n != 1 {
							t.Errorf("%s got %d copies, want 1", address, n)
						}
					}
					equal(t, "counts", o.counts(t, b.ID), "sent:3")
				})
			})
		}
	}
}

// A process dies after it has stored the copies, and the next one has a provider that could carry
// them together.
func TestASplitIsFinishedUnderAnotherConfiguration(t *testing.T) {
	first := single("first", nil)
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		d := batchOf(3)
		d.SendAt = time.Now().Add(time.Hour)
		b := o.send(t, d, idempotency.Key{})
		last := strings.Replace(b.ID, "bat_", "msg_", 1) + ".0.2"
		afterTheCopies := func(op string) error {
			if op != memjournal.Save {
				return nil
			}
			if _, err := o.journal.Get(context.Background(), tenant, emails.Kind, last); err != nil {
				return nil
			}
			return fault.New(fault.Unavailable, "scripted", "")
		}
		o.fail.Store(&afterTheCopies)
		<-time.After(time.Hour + time.Second)
		synctest.Wait()
		o.fail.Store(nil)
		first.configure(merging("", nil).features)
		<-time.After(time.Hour)
		first.got(t, 3, 1)
		equal(t, "counts", o.counts(t, b.ID), "sent:3")
	})
}

// A template that could be rendered when the batch was accepted cannot any more, such as after an
// upgrade.
func TestABatchThatCannotBeRenderedAnyMoreFailsInTheEnd(t *testing.T) {
	for _, l := range []*line{merging("merging", nil), single("single", nil)} {
		t.Run(l.name, func(t *testing.T) {
			withBatches(t, []*line{l}, func(t *testing.T, o *batchRig) {
				d := batchOf(3)
				d.SendAt = time.Now().Add(time.Hour)
				b := o.send(t, d, idempotency.Key{})
				o.Renderer = refusesAll{}
				<-time.After(48 * time.Hour)
				equal(t, "counts", o.counts(t, b.ID), "failed:3")
				equal(t, "calls", len(l.calls), 0)
			})
		})
	}
}

// refusesAll renders nothing.
type refusesAll struct{}

func (refusesAll) Render(template.Source, map[string]any) (template.Content, error) {
	return template.Content{}, fault.New(fault.Invalid, "template_invalid", "scripted")
}
