package paymenttest

import (
	"sync"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

const idempotencyMismatch = "idempotency_mismatch"

// keyCases checks idempotency keys.
var keyCases = []testCase{
	{
		name: "same key and body: same id, one charge",
		doc:  "A repeated create returns the same intent, and the money is taken once.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			first, second := p.create(r), p.create(r)
			if first.Reference != second.Reference || second.Status != payment.Succeeded {
				p.Errorf("repeat: %s %s, want %s succeeded", second.Reference, second.Status, first.Reference)
			}
			p.entry()
			p.wantCharged(usual)
		},
	},
	{
		name: "a repeated decline is declined again, by the same intent",
		doc:  "A repeat of a declined create is declined with the same intent, proven.",
		run: func(p *suite) {
			d := p.Declines[len(p.Declines)-1]
			r := p.request(d.Method)
			r.Metadata = operationMetadata("op_23")
			first, err := p.Gateway.Create(p.Context(), r)
			p.wantErr(err, fault.Declined, d.Code)
			second, err := p.Gateway.Create(p.Context(), r)
			p.wantErr(err, fault.Declined, d.Code)
			if second.Reference != first.Reference || d.DeclineCode != "" && fault.From(err).DeclineCode != d.DeclineCode || !fault.From(err).Proven {
				p.Errorf("repeat: %s %v, want %s %+v", second.Reference, err, first.Reference, d)
			}
			p.entry()
		},
	},
	{
		name:  "a capture's key repeated: one capture, the first answer",
		doc:   "A repeated capture captures once.",
		needs: partialCapture,
		run: func(p *suite) {
			r := payment.CaptureRequest{Key: newKey(), Reference: p.authorize().Reference, Amount: 600, Currency: "usd"}
			for range 2 {
				i, err := p.Gateway.Capture(p.Context(), r)
				if err != nil {
					p.Fatalf("Capture: %v", err)
				}
				p.wantAmounts(p.ended(payment.Capture, i), 0, 600, 0)
			}
			p.wantCharged(600)
		},
	},
	{
		name: "same key, other amount: mismatch",
		doc:  "A create with another amount under a key is refused with idempotency_mismatch.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			p.create(r)
			r.Amount++
			_, err := p.Gateway.Create(p.Context(), r)
			p.wantErr(err, fault.UnknownOutcome, idempotencyMismatch)
			p.entry()
			p.wantCharged(usual)
		},
	},
	{
		name: "same key, other operation: mismatch",
		doc:  "A confirm or cancel under the key of a create is refused with idempotency_mismatch and changes nothing.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Confirm = false
			i := p.create(r)
			_, err := p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: r.Key, Reference: i.Reference})
			p.wantErr(err, fault.UnknownOutcome, idempotencyMismatch)
			other := p.paid()
			_, err = p.Gateway.Cancel(p.Context(), payment.CancelRequest{Key: r.Key, Reference: other.Reference})
			p.wantErr(err, fault.UnknownOutcome, idempotencyMismatch)
			p.wantStatus(p.retrieve(i.Reference), payment.RequiresConfirmation)
		},
	},
	{
		name: "50 concurrent creates under one key: one charge",
		doc:  "Of 50 concurrent creates under one key each returns the one intent or an error that allows a retry.",
		run: func(p *suite) {
			r := p.request(p.Pays)
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
			p.wantCharged(usual)
		},
	},
	{
		name:  "20 concurrent refunds under keys of their own: never more than was paid",
		doc:   "Concurrent refunds together never refund more than was captured.",
		needs: partialRefunds,
		run: func(p *suite) {
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
			p.settle()
			e := p.entry()
			if e.Refunded > e.Captured || e.Refunded != int64(e.Refunds)*300 || e.Refunds == 0 {
				p.Errorf("%d refunds, %d of %d given back", e.Refunds, e.Refunded, e.Captured)
			}
		},
	},
}
