package paymenttest

import "patchbay/core/payment"

// laterCases checks actions that the provider accepts first and ends afterwards. An action that
// is not declared to end later must have ended in its answer.
var laterCases = []testCase{
	{
		name: "a payment ends in its answer, or is processing until it has ended",
		doc:  "A confirmed create has succeeded, or, if Later lists it, is processing until it has ended.",
		run: func(p *suite) {
			i, err := p.Gateway.Create(p.Context(), p.request(p.Pays))
			if err != nil {
				p.Fatalf("Create: %v", err)
			}
			p.wantEnd(payment.Create, i)
		},
	},
	{
		name:  "a capture ends in its answer, or is processing until it has ended",
		doc:   "A capture has succeeded, or, if Later lists it, is processing until it has ended.",
		needs: manualCapture,
		run: func(p *suite) {
			i, err := p.Gateway.Capture(p.Context(), payment.CaptureRequest{Key: newKey(), Reference: p.authorize().Reference, Currency: "usd"})
			if err != nil {
				p.Fatalf("Capture: %v", err)
			}
			p.wantEnd(payment.Capture, i)
		},
	},
	{
		name:  "a refund ends in its answer, or is pending until it has ended",
		doc:   "A refund has succeeded, or, if Later lists it, is pending until it has ended.",
		needs: refunds,
		run: func(p *suite) {
			r, err := p.Gateway.Refund(p.Context(), payment.RefundRequest{
				Key: newKey(), Reference: p.paid().Reference, Amount: usual, Currency: "usd",
			})
			if err != nil {
				p.Fatalf("Refund: %v", err)
			}
			want := payment.RefundSucceeded
			if !p.Gateway.Capabilities().Synchronous(payment.Refund) {
				want = payment.RefundPending
			}
			if r.Status != string(want) {
				p.Errorf("status %q, want %q", r.Status, want)
			}
			p.settle()
			if now := p.refundNow(r); now.Status != string(payment.RefundSucceeded) {
				p.Errorf("status %q in the end, want %q", now.Status, payment.RefundSucceeded)
			}
			p.wantRefunded(1, usual)
		},
	},
}

// wantEnd checks the status in the answer to an action, and that it takes the money in the end.
func (p *suite) wantEnd(a payment.Action, i payment.Intent) {
	p.Helper()
	want := payment.Succeeded
	if !p.Gateway.Capabilities().Synchronous(a) {
		want = payment.Processing
	}
	p.wantStatus(i, want)
	p.settle()
	now := p.retrieve(i.Reference)
	p.wantStatus(now, payment.Succeeded)
	p.wantAmounts(now, 0, usual, 0)
	p.wantCharged(usual)
}
