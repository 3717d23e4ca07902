package payments_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
	"patchbay/ports"
)

// unknown makes a refund of which nobody can tell what became.
func (r *rig) unknown(t *testing.T) (id string) {
	t.Helper()
	res, _ := r.pay(t, "k")
	r.provider.failBefore(func(context.Context, payment.Action, int) error {
		return fault.New(fault.UnknownOutcome, "scripted", "")
	})
	r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
	refund, err := r.Refund(t.Context(), tenant, res.Payment.ID, 250, opKey("refund", "r"))
	if err != nil || !refund.Operation.Outcome.Open() {
		t.Fatalf("outcome = %q, error %v; want an open one", refund.Operation.Outcome, err)
	}
	<-time.After(time.Second)
	return res.Payment.ID
}

func TestVerdictEndsAnUnknownOperation(t *testing.T) {
	t.Parallel()
	t.Run("it was not executed", func(t *testing.T) {
		onVirtualTime(t, func(t *testing.T, r *rig) {
			id := r.unknown(t)
			p, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.NotExecuted, Note: "not in the dashboard", By: "ada"})
			if err != nil || p.Open() != nil || p.NeedsReview {
				t.Fatalf("%+v, %v", p, err)
			}
			if len(p.Reviews) != 1 || p.Reviews[0].Detail != p.Operations[1].ID || p.Reviews[0].Verdict != "not_executed" || p.Reviews[0].By != "ada" {
				t.Errorf("whose word it was is not kept: %+v", p.Reviews)
			}
			once, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.NotExecuted, Note: "not in the dashboard", By: "eve"})
			if err != nil || !once.UpdatedAt.Equal(p.UpdatedAt) || once.Reviews[0].By != "ada" {
				t.Errorf("the same verdict once more: %+v, %v", once.Reviews, err)
			}
			if _, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.Executed, Note: "not in the dashboard"}); fault.From(err).Code != "nothing_unknown" {
				t.Errorf("another verdict: %v", err)
			}
			r.provider.failBefore(nil)
			again, err := r.Refund(t.Context(), tenant, id, 250, opKey("refund", "r"))
			if before := p.Operations[1]; err != nil || again.Operation.ID != before.ID || again.Operation.ProviderKey == before.ProviderKey {
				t.Errorf("a repeat must go out under a new key: %+v, %v", again.Operation, err)
			}
		})
	})
	t.Run("it was executed", func(t *testing.T) {
		onVirtualTime(t, func(t *testing.T, r *rig) {
			id := r.unknown(t)
			r.provider.cannotLook(nil)
			for reference, good := range map[string]bool{"re_9": false, "": false} {
				if _, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.Executed, Reference: reference}); (err == nil) != good {
					t.Errorf("%q: %v", reference, err)
				}
			}
			r.provider.refunds["dashboard"] = payment.ProviderRefund{Reference: "re_9", Intent: "pi_1", Amount: 250, Status: "succeeded"}
			p, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.Executed, Reference: "re_9"})
			if err != nil || p.AmountRefunded != 250 || p.Operations[1].Reference != "re_9" {
				t.Errorf("%+v, %v", p, err)
			}
		})
	})
	t.Run("nothing is unknown", func(t *testing.T) {
		onVirtualTime(t, func(t *testing.T, r *rig) {
			res, _ := r.pay(t, "k")
			if _, err := r.Settle(t.Context(), tenant, res.Payment.ID, payments.SettleRequest{Verdict: payments.NotExecuted}); fault.From(err).Code != "nothing_unknown" {
				t.Error(err)
			}
		})
	})
	t.Run("a call is under way", func(t *testing.T) {
		onVirtualTime(t, func(t *testing.T, r *rig) {
			r.hang(fault.Unavailable, 0)
			res, _ := r.pay(t, "k")
			if _, err := r.Settle(t.Context(), tenant, res.Payment.ID, payments.SettleRequest{Verdict: payments.NotExecuted}); fault.From(err).Code != "operation_in_progress" {
				t.Error(err)
			}
			r.waitClosed(t, res.Payment.ID, time.Minute)
		})
	})
}

// age makes the operations of a payment older.
func (r *rig) age(t *testing.T, id string, by time.Duration) {
	t.Helper()
	for {
		record, err := r.journal.Get(t.Context(), tenant, "payment", id)
		if err != nil {
			t.Fatal(err)
		}
		var p payment.Payment
		if err := json.Unmarshal(record.Body, &p); err != nil {
			t.Fatal(err)
		}
		for i := range p.Operations {
			p.Operations[i].StartedAt = p.Operations[i].StartedAt.Add(-by)
		}
		for i := range p.Reviews {
			if at := &p.Reviews[i].SettledAt; !at.IsZero() {
				*at = at.Add(-by)
			}
		}
		record.Body, _ = json.Marshal(p)
		if err := r.journal.Save(t.Context(), &record)[0]; !fault.Is(err, fault.Conflict) {
			return
		}
	}
}

func TestAnOutcomeThatIsUnknownForDaysIsReviewed(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		id := r.unknown(t)
		r.age(t, id, 4*24*time.Hour)
		<-time.After(2 * time.Minute)
		if p := r.status(t, id); p.NeedsReview {
			t.Fatalf("too early: %+v", p.Reviews)
		}
		r.age(t, id, 2*24*time.Hour)
		<-time.After(2 * time.Minute)
		if p := r.status(t, id); !p.NeedsReview || p.Reviews[0].Reason != payment.ReviewUnknown {
			t.Errorf("%+v", p.Reviews)
		}
		r.provider.failBefore(nil)
		r.provider.cannotLook(nil)
		<-time.After(3 * time.Hour) // it can be seen now that nothing was done
		if p := r.status(t, id); p.Open() != nil || p.NeedsReview {
			t.Errorf("%+v", p)
		}
	})
}

// canceled makes a payment that the provider has, and that is canceled here by a person's
// word.
func (r *rig) canceled(t *testing.T, method payment.CaptureMethod) (id string) {
	t.Helper()
	r.provider.failAfter(fails(fault.UnknownOutcome, 1))
	r.provider.failBefore(fails(fault.UnknownOutcome, 2))
	r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
	create := request()
	create.CaptureMethod = method
	res, err := r.Create(t.Context(), tenant, create, key("k", "a"))
	if err != nil || !res.Operation.Outcome.Open() {
		t.Fatalf("outcome = %q, error %v; want an open one", res.Operation.Outcome, err)
	}
	<-time.After(time.Second)
	p, err := r.Settle(t.Context(), tenant, res.Payment.ID, payments.SettleRequest{Verdict: payments.NotExecuted, By: "ada"})
	if err != nil || p.Status != payment.Canceled {
		t.Fatalf("status = %q, error %v; want %q", p.Status, err, payment.Canceled)
	}
	r.provider.cannotLook(nil)
	return p.ID
}

// The provider's own word tells that a verdict was wrong: the buyer has paid for nothing.
func TestPaymentFoundAfterANegativeVerdictIsReportedAndRefundable(t *testing.T) {
	t.Parallel()
	for method, reserved := range map[payment.CaptureMethod]int64{payment.CaptureAutomatic: 0, payment.CaptureManual: 1250} {
		t.Run(string(method), func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				id := r.canceled(t, method)
				for range 2 {
					if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "pi_1"}); err != nil {
						t.Fatal(err)
					}
				}
				p := r.status(t, id)
				if last := p.Reviews[len(p.Reviews)-1]; !p.NeedsReview || len(p.Reviews) != 2 || last.Reason != payment.ReviewPaid || last.Detail != "pi_1" {
					t.Errorf("%+v", p.Reviews)
				}
				if p.Status != payment.Canceled || p.AmountCapturable != reserved || p.AmountCaptured != 1250-reserved {
					t.Errorf("%s, %d captured, %d capturable", p.Status, p.AmountCaptured, p.AmountCapturable)
				}
				if reserved > 0 {
					return
				}
				if back, err := r.Refund(t.Context(), tenant, id, 0, opKey("refund", "r")); err != nil || back.Payment.AmountRefunded != 1250 {
					t.Errorf("%+v, %v", back.Operation, err)
				}
			})
		})
	}
}

// No event tells of it: it is seen when the provider is asked.
func TestAuthorisationFoundAfterANegativeVerdictIsReported(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failAfter(func(_ context.Context, _ payment.Action, n int) error {
			if n == 1 {
				<-time.After(3 * time.Minute)
			}
			return nil
		})
		r.provider.failBefore(fails(fault.UnknownOutcome, 2, 3, 4, 5, 6, 7, 8, 9))
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		create := request()
		create.CaptureMethod = payment.CaptureManual
		res, err := r.Create(t.Context(), tenant, create, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if p, err := r.Settle(t.Context(), tenant, res.Payment.ID, payments.SettleRequest{Verdict: payments.NotExecuted, By: "ada"}); err != nil || p.Status != payment.Canceled {
			t.Fatalf("status = %q, error %v; want %q", p.Status, err, payment.Canceled)
		}
		r.provider.cannotLook(nil)
		<-time.After(5 * time.Minute)
		if p := r.status(t, res.Payment.ID); p.Status != payment.Canceled || !p.NeedsReview || p.AmountCapturable != 1250 {
			t.Errorf("%s, %d capturable: %+v", p.Status, p.AmountCapturable, p.Reviews)
		}
	})
}

// An authorisation that was let go is none, whenever its event comes.
func TestLateEventOfCanceledPaymentOpensNoReview(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		create := request()
		create.CaptureMethod = payment.CaptureManual
		res, err := r.Create(t.Context(), tenant, create, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Cancel(t.Context(), tenant, res.Payment.ID, opKey("cancel", "c")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "pi_1", Type: string(payment.RequiresCapture)}); err != nil {
			t.Fatal(err)
		}
		if p := r.status(t, res.Payment.ID); p.Status != payment.Canceled || p.NeedsReview || p.AmountCapturable != 0 {
			t.Errorf("%s, %d capturable: %+v", p.Status, p.AmountCapturable, p.Reviews)
		}
	})
}

// The open create of the copy has been given what another provider made. That provider is taken out for
// good, and named in skip_after_restore, as the documentation says. A person is asked, and gives each verdict.
func TestVerdictEndsAnOperationWhoseProviderIsRemoved(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]bool{"the provider is taken out": true, "its name means another account": false} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				older, first := r.failedOver(t)
				<-time.After(20 * time.Minute)
				back := r.onCopy(older)
				_, stop := r.killable(t, "two", back, func(o *payments.Options) { o.Accounts = eachName{} })
				r.all[1].silentOnceAsked()
				<-time.After(5 * time.Minute)
				stop()
				s := r.another(t, "three", back, func(o *payments.Options) {
					if gone {
						o.Accounts, o.SkipAfterRestore = eachName{}, []string{"second"}
						o.Gateways = []ports.PaymentGateway{r.all[0], r.all[2]}
					} else {
						o.Accounts = newAccount{}
						o.Gateways = []ports.PaymentGateway{r.all[0], newProvider("second"), r.all[2]}
					}
				})
				<-time.After(6 * 24 * time.Hour)
				p, err := s.Get(t.Context(), tenant, first.ID)
				if err != nil || !p.NeedsReview {
					t.Errorf("review: %t, %v", p.NeedsReview, err)
				}
				var errs []error
				for range 3 {
					_, err1 := s.Settle(t.Context(), tenant, first.ID, payments.SettleRequest{Verdict: payments.NotExecuted, Note: "it is gone", By: "me"})
					_, err2 := s.Settle(t.Context(), tenant, first.ID, payments.SettleRequest{Verdict: payments.Executed, Reference: first.ProviderReference, Note: "paid", By: "me"})
					_, err3 := s.Settle(t.Context(), tenant, first.ID, payments.SettleRequest{Verdict: payments.Noted, Note: "seen", By: "me"})
					_, err4 := s.Cancel(t.Context(), tenant, first.ID, opKey("cancel", fmt.Sprint(time.Now())))
					errs = []error{err1, err2, err3, err4}
					<-time.After(time.Hour)
				}
				p, _ = s.Get(t.Context(), tenant, first.ID)
				if p.Open() != nil {
					t.Errorf("6 days later it is %s, %s: %v", p.Status, route(p), errors.Join(errs...))
				}
			})
		})
	}
}
