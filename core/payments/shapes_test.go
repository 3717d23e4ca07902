package payments_test

import (
	"context"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
)

// shaped runs a test with a provider that declares this.
func shaped(t *testing.T, c payment.Capabilities, test func(t *testing.T, r *rig)) {
	t.Helper()
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.shape = &c
		test(t, r)
	})
}

// usual is what the provider of the tests declares.
func usual() payment.Capabilities { return newProvider("acme").Capabilities() }

func TestAProviderThatLacksWhatAPaymentNeedsIsPassedOver(t *testing.T) {
	t.Parallel()
	large := map[string]string{"a": "1", "b": "2"}
	for name, c := range map[string]struct {
		lacks  func(*payment.Capabilities)
		change func(*payments.CreateRequest)
		code   string // where no provider can
	}{
		"its currency": {
			func(c *payment.Capabilities) { c.Currencies = []money.Currency{"usd"} }, func(*payments.CreateRequest) {}, "currency_unsupported",
		},
		"a page that confirms it": {
			func(c *payment.Capabilities) { c.InBrowser = false }, func(r *payments.CreateRequest) { r.Confirm = false }, "confirmation_unsupported",
		},
		"a way back from its page": {
			func(c *payment.Capabilities) { c.InBrowser, c.Redirect = false, true }, func(r *payments.CreateRequest) { r.Confirm = false }, "confirmation_unsupported",
		},
		"room for its metadata": {
			func(c *payment.Capabilities) { c.Metadata.Keys = 5 }, func(r *payments.CreateRequest) { r.Metadata = large }, "metadata_unsupported",
		},
		"room for a value": {
			func(c *payment.Capabilities) { c.Metadata.Value = 3 },
			func(r *payments.CreateRequest) { r.Metadata = map[string]string{"a": "four"} }, "metadata_unsupported",
		},
		"a capture later": {
			func(c *payment.Capabilities) { c.ManualCapture = false },
			func(r *payments.CreateRequest) { r.CaptureMethod = payment.CaptureManual }, "capture_method_unsupported",
		},
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				lacking := usual()
				c.lacks(&lacking)
				r.all[0].shape = &lacking
				request := everywhere()
				c.change(&request)
				res, err := r.Create(t.Context(), tenant, request, key("k", "a"))
				if got := route(res.Payment); err != nil || got != "second succeeded" {
					t.Errorf("%q, %v; want it at the second alone", got, err)
				}
				r.all[1].shape, r.all[2].shape = &lacking, &lacking
				_, err = r.Create(t.Context(), tenant, request, key("other", "a"))
				if f := fault.From(err); f.Kind != fault.Unsupported || f.Code != c.code {
					t.Errorf("%v, want %s", err, c.code)
				}
			})
		})
	}
}

func TestProviderPageConfirmsWithReturnURL(t *testing.T) {
	c := usual()
	c.InBrowser, c.Redirect = false, true
	shaped(t, c, func(t *testing.T, r *rig) {
		request := request()
		request.Confirm, request.ReturnURL = false, "https://shop.example.com/back"
		if _, err := r.Create(t.Context(), tenant, request, key("k", "a")); err != nil {
			t.Error(err)
		}
	})
}

func TestWholeCaptureProviderComesLast(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		parts := usual()
		parts.PartialCapture = true
		r.all[1].shape = &parts
		request := everywhere()
		request.CaptureMethod = payment.CaptureManual
		res, err := r.Create(t.Context(), tenant, request, key("k", "a"))
		if got := route(res.Payment); err != nil || got != "second succeeded" {
			t.Errorf("%q, %v; want it at the second", got, err)
		}
		r.all[1].failBefore(always(fault.Unavailable))
		res, err = r.Create(t.Context(), tenant, request, key("other", "a"))
		if got := route(res.Payment); err != nil || got != "second not_sent, first succeeded" {
			t.Errorf("%q, %v; want it at the first after the second", got, err)
		}
	})
}

// A call is repeated only while its key is remembered. Later it would be executed again.
func TestACallIsRepeatedOnlyWhileItsKeyIsRemembered(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]time.Duration{"for twenty minutes": 20 * time.Minute, "for two minutes": 2 * time.Minute, "not at all": 0} {
		t.Run(name, func(t *testing.T) {
			c := usual()
			c.Keys.Kept, c.Lookup = kept, payment.Lookup{Operation: true}
			shaped(t, c, func(t *testing.T, r *rig) {
				began, late := time.Now(), 0
				r.provider.failAfter(fails(fault.UnknownOutcome, 1))
				r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
					if n > 1 && time.Since(began) < kept {
						return fault.New(fault.UnknownOutcome, "scripted", "")
					}
					if n > 1 {
						late++
					}
					return nil
				})
				r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				res, _ := r.pay(t, "k")
				<-time.After(10 * time.Minute)
				r.provider.forgets()
				<-time.After(10 * time.Minute)
				r.provider.cannotLook(nil)
				p := r.waitClosed(t, res.Payment.ID, time.Hour)
				if p.Status != payment.Succeeded || r.provider.captured() != 1 || late != 0 {
					t.Errorf("%s, %d charges, %d calls after the key was forgotten", p.Status, r.provider.captured(), late)
				}
				if again, want := r.provider.called() > 1, kept > 15*time.Minute; again != want { // clocks may differ by so much
					t.Errorf("%d calls, want more than one: %v", r.provider.called(), want)
				}
			})
		})
	}
}

// Nothing proves what became of a create if its provider cannot show it: a person or an event
// must tell.
func TestWhatCannotBeLookedUpNeedsAReview(t *testing.T) {
	c := usual()
	c.Lookup = payment.Lookup{}
	shaped(t, c, func(t *testing.T, r *rig) {
		r.provider.failAfter(fails(fault.UnknownOutcome, 1))
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n > 1 {
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		})
		res, _ := r.pay(t, "k")
		<-time.After(20 * time.Minute)
		calls := r.provider.called()
		<-time.After(50 * time.Hour)
		p := r.status(t, res.Payment.ID)
		if p.Status != payment.Processing || !p.NeedsReview || p.Reviews[0].Reason != payment.ReviewUnknown {
			t.Errorf("%s, reviews %+v; want it processing, to be reviewed", p.Status, p.Reviews)
		}
		if n := r.provider.called() - calls; n != 0 {
			t.Errorf("%d calls after a quarter of an hour, want none", n)
		}
		if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "pi_1"}); err != nil {
			t.Fatal(err)
		}
		if p := r.status(t, p.ID); p.Status != payment.Succeeded || p.NeedsReview {
			t.Errorf("%s after the event, needs review: %t", p.Status, p.NeedsReview)
		}
	})
}

func TestAbsenceTakesAsMuchLongerAsTheProviderIsBehind(t *testing.T) {
	c := usual()
	c.Lookup = payment.Lookup{Operation: true, Lag: 3 * time.Hour}
	shaped(t, c, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.UnknownOutcome))
		res, _ := r.pay(t, "k")
		<-time.After(3 * time.Hour)
		if p := r.status(t, res.Payment.ID); p.Open() == nil {
			t.Fatalf("%s after three hours, want it open", p.Status)
		}
		if p := r.waitClosed(t, res.Payment.ID, 2*time.Hour); p.Status != payment.Canceled || p.Error.Code != "not_executed" {
			t.Errorf("%s %+v", p.Status, p.Error)
		}
	})
}

// later is a provider that accepts captures first.
func later() payment.Capabilities {
	c := usual()
	c.Later = []payment.Action{payment.Capture}
	return c
}

// capture makes a payment whose capture is pending, unless its outcome is unknown.
func (r *rig) capture(t *testing.T) payments.Result {
	t.Helper()
	request := request()
	request.CaptureMethod = payment.CaptureManual
	made, err := r.Create(t.Context(), tenant, request, key("k", "a"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Capture(t.Context(), tenant, made.Payment.ID, 0, key("c", "a"))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func taken(i *payment.Intent) { i.Status, i.AmountCaptured = payment.Succeeded, i.Amount }

func TestAPendingCaptureSucceeds(t *testing.T) {
	shaped(t, later(), func(t *testing.T, r *rig) {
		res := r.capture(t)
		if res.Payment.Status != payment.Processing || res.Operation.Outcome != payment.Pending {
			t.Fatalf("%s, the capture %s; want processing, pending", res.Payment.Status, res.Operation.Outcome)
		}
		late := webhook.Event{Provider: "acme", ID: "pi_1", Type: string(payment.RequiresCapture)}
		if _, err := r.ApplyWebhook(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		if p := r.status(t, res.Payment.ID); p.Status != payment.Processing || p.Operations[1].Outcome != payment.Pending {
			t.Errorf("%s, the capture %s after an event from before it", p.Status, p.Operations[1].Outcome)
		}
		r.provider.turn("pi_1", taken)
		<-time.After(2 * time.Minute) // its event is lost, and the provider is asked
		p := r.status(t, res.Payment.ID)
		if p.Status != payment.Succeeded || p.AmountCaptured != 1250 || p.Operations[1].Outcome != payment.Done {
			t.Errorf("%s, captured %d, the capture %s", p.Status, p.AmountCaptured, p.Operations[1].Outcome)
		}
		again, err := r.Capture(t.Context(), tenant, p.ID, 0, key("c", "a"))
		if err != nil || !again.Replayed || again.Payment.Status != payment.Processing {
			t.Errorf("the repeat: %s, %v; want the first answer", again.Payment.Status, err)
		}
	})
}

func TestAPendingCaptureFails(t *testing.T) {
	shaped(t, later(), func(t *testing.T, r *rig) {
		res := r.capture(t)
		r.provider.turn("pi_1", func(i *payment.Intent) { i.Status, i.AmountCapturable = payment.RequiresCapture, i.Amount })
		p, err := r.Sync(t.Context(), tenant, res.Payment.ID)
		if err != nil {
			t.Fatal(err)
		}
		if op := p.Operations[1]; p.Status != payment.RequiresCapture || op.Outcome != payment.NotExecuted || op.Error.Code != "capture_failed" {
			t.Errorf("%s, the capture %s %+v", p.Status, op.Outcome, op.Error)
		}
		second, err := r.Capture(t.Context(), tenant, p.ID, 0, key("c2", "a"))
		if err != nil || second.Operation.Outcome != payment.Pending {
			t.Errorf("the second capture: %s, %v", second.Operation.Outcome, err)
		}
	})
}

// A capture whose answer was lost may stay pending for longer than it takes to be absent.
func TestAnUnknownCaptureIsFoundPending(t *testing.T) {
	shaped(t, later(), func(t *testing.T, r *rig) {
		r.provider.failAfter(fails(fault.UnknownOutcome, 2, 3, 4, 5, 6, 7, 8, 9))
		res := r.capture(t)
		<-time.After(3 * time.Hour)
		p := r.status(t, res.Payment.ID)
		if op := p.Operations[1]; p.Status != payment.Processing || op.Outcome != payment.Pending {
			t.Errorf("%s, the capture %s; want it pending", p.Status, op.Outcome)
		}
		r.provider.turn("pi_1", taken)
		if p, err := r.Sync(t.Context(), tenant, p.ID); err != nil || p.Operations[1].Outcome != payment.Done {
			t.Errorf("the capture %s, %v", p.Operations[1].Outcome, err)
		}
	})
}

func TestAPaymentIsFoundByItsCapture(t *testing.T) {
	shaped(t, later(), func(t *testing.T, r *rig) {
		res := r.capture(t)
		r.provider.turn("pi_1", taken)
		if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "cap_pi_1", Type: "object"}); err != nil {
			t.Fatal(err)
		}
		if p := r.status(t, res.Payment.ID); p.Status != payment.Succeeded || p.NeedsReview {
			t.Errorf("%s, reviews %+v after an event that names the capture alone", p.Status, p.Reviews)
		}
		page, err := r.List(t.Context(), tenant, payments.Filter{Reference: "cap_pi_1"}, "", 10)
		if err != nil || len(page.Payments) != 1 || page.Payments[0].ID != res.Payment.ID {
			t.Errorf("by its reference: %+v, %v", page.Payments, err)
		}
		_, err = r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "cap_other", Type: "object"})
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("an object of nobody: %v", err)
		}
	})
}

func TestAnObjectOfAnotherPaymentNeedsAReview(t *testing.T) {
	shaped(t, later(), func(t *testing.T, r *rig) {
		r.capture(t) // it has cap_pi_1
		second, err := r.Create(t.Context(), tenant, request(), key("second", "a"))
		if err != nil {
			t.Fatal(err)
		}
		r.provider.turn(second.Payment.ProviderReference, func(i *payment.Intent) {
			i.Objects = []payment.Object{{Kind: "capture", Reference: "cap_pi_1"}}
		})
		p, err := r.Sync(t.Context(), tenant, second.Payment.ID)
		if err != nil || len(p.Reviews) != 1 || p.Reviews[0].Reason != payment.ReviewSecondIntent || p.Reviews[0].Detail != "cap_pi_1" {
			t.Errorf("got reviews %+v, %v, want one for the capture of the other payment", p.Reviews, err)
		}
	})
}

// Which of two intents under one key the buyer has paid is not guessed.
func TestSeveralIntentsUnderOneKeyNeedAReview(t *testing.T) {
	c := usual()
	c.Lookup = payment.Lookup{Operation: true}
	shaped(t, c, func(t *testing.T, r *rig) {
		r.provider.failAfter(func(_ context.Context, _ payment.Action, n int) error {
			if n == 1 {
				r.provider.copyIntent("pi_1", "pi_9")
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		})
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n > 1 {
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		})
		res, _ := r.pay(t, "k")
		<-time.After(50 * time.Hour)
		p := r.status(t, res.Payment.ID)
		if p.Status != payment.Processing || p.ProviderReference != "" || !p.NeedsReview {
			t.Errorf("got %s of %q, reviews %+v, want it processing without an intent, to be reviewed", p.Status, p.ProviderReference, p.Reviews)
		}
	})
}
