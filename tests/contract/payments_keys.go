package contract

import (
	"sync"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

const idempotencyMismatch = "idempotency_mismatch"

// paymentKeys checks idempotency keys.
var paymentKeys = []paymentCase{
	{name: "23 same key and body: same id, one charge", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		first, second := p.create(r), p.create(r)
		if first.Reference != second.Reference || second.Status != payment.Succeeded {
			p.Errorf("repeat: %s %s, want %s succeeded", second.Reference, second.Status, first.Reference)
		}
		p.entry()
		p.wantCharged(paymentAmount)
	}},
	{name: "23 a repeated decline is declined again, by the same intent", run: func(p *paymentTest) {
		r := p.request("pm_card_visa_chargeDeclinedInsufficientFunds")
		r.Metadata = operationMetadata("op_23")
		first, err := p.Gateway.Create(p.Context(), r)
		p.wantErr(err, fault.Declined, "card_declined")
		second, err := p.Gateway.Create(p.Context(), r)
		p.wantErr(err, fault.Declined, "card_declined")
		if second.Reference != first.Reference || fault.From(err).DeclineCode != "insufficient_funds" || !fault.From(err).Proven {
			p.Errorf("repeat: %s %v, want %s insufficient_funds", second.Reference, err, first.Reference)
		}
		p.entry()
	}},
	{name: "23 a capture's key repeated: one capture, the first answer", needs: partialCapture, run: func(p *paymentTest) {
		r := payment.CaptureRequest{Key: paymentKey(), Reference: p.authorise().Reference, Amount: 600, Currency: "usd"}
		for range 2 {
			i, err := p.Gateway.Capture(p.Context(), r)
			if err != nil {
				p.Fatalf("Capture: %v", err)
			}
			p.wantAmounts(i, 0, 600, 0)
		}
		p.wantCharged(600)
	}},
	{name: "24 same key, other amount: mismatch", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		p.create(r)
		r.Amount++
		_, err := p.Gateway.Create(p.Context(), r)
		p.wantErr(err, fault.UnknownOutcome, idempotencyMismatch)
		p.entry()
		p.wantCharged(paymentAmount)
	}},
	{name: "25 same key, other operation: mismatch", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		r.Confirm = false
		i := p.create(r)
		_, err := p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: r.Key, Reference: i.Reference})
		p.wantErr(err, fault.UnknownOutcome, idempotencyMismatch)
		other := p.paid()
		_, err = p.Gateway.Cancel(p.Context(), payment.CancelRequest{Key: r.Key, Reference: other.Reference})
		p.wantErr(err, fault.UnknownOutcome, idempotencyMismatch)
		p.wantStatus(p.retrieve(i.Reference), payment.RequiresConfirmation)
	}},
	{name: "26 50 concurrent creates under one key: one charge", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		var (
			wait       sync.WaitGroup
			references [50]string
			errs       [50]error
		)
		for n := range references {
			wait.Go(func() {
				i, err := p.Gateway.Create(p.Context(), r)
				references[n], errs[n] = i.Reference, err
			})
		}
		wait.Wait()
		want := p.create(r).Reference
		for n, err := range errs {
			switch {
			case err == nil && references[n] != want:
				p.Errorf("create %d made %s, want %s", n, references[n], want)
			case err != nil && !fault.KindOf(err).Rule().Retry:
				p.Errorf("create %d: %v, want success or an error to retry", n, err)
			}
		}
		p.entry()
		p.wantCharged(paymentAmount)
	}},
	{name: "27 20 concurrent refunds under keys of their own: never more than was paid", needs: partialRefunds, run: func(p *paymentTest) {
		reference := p.paid().Reference
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				err := p.refundErr(reference, 300)
				if err != nil && !fault.Is(err, fault.Invalid) && !fault.KindOf(err).Rule().Retry {
					p.Errorf("Refund: %v, want success, Invalid or an error to retry", err)
				}
			})
		}
		wait.Wait()
		e := p.entry()
		if e.Refunded > e.Captured || e.Refunded != int64(e.Refunds)*300 || e.Refunds == 0 {
			p.Errorf("%d refunds, %d of %d given back", e.Refunds, e.Refunded, e.Captured)
		}
	}},
}
