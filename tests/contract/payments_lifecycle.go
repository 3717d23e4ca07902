package contract

import (
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// paymentLifecycle contains the cases without failures.
var paymentLifecycle = []paymentCase{
	{name: "1 create without confirming: nothing is taken", run: func(p *paymentTest) {
		r := p.request("")
		r.Confirm = false
		i := p.create(r)
		p.wantStatus(i, payment.RequiresPaymentMethod)
		p.wantAmounts(i, 0, 0, 0)
		if i.Reference == "" || i.ClientSecret == "" || i.CreatedAt.IsZero() {
			p.Errorf("reference %q, client secret %q, created %v: want all set", i.Reference, i.ClientSecret, i.CreatedAt)
		}
		p.entry()
		p.wantCharged(0)
	}},
	{name: "2 create and confirm in one request: the money is taken", run: func(p *paymentTest) {
		i := p.paid()
		p.wantAmounts(i, 0, paymentAmount, 0)
		p.entry()
		p.wantCharged(paymentAmount)
	}},
	{name: "2 create, then confirm: the money is taken once", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		r.Confirm = false
		i := p.create(r)
		p.wantStatus(i, payment.RequiresConfirmation)
		p.wantCharged(0)
		confirmed, err := p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: paymentKey(), Reference: i.Reference})
		if err != nil {
			p.Fatalf("Confirm: %v", err)
		}
		p.wantStatus(confirmed, payment.Succeeded)
		p.entry()
		p.wantCharged(paymentAmount)
		_, err = p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: paymentKey(), Reference: i.Reference})
		p.wantErr(err, fault.Conflict, "unexpected_state")
		p.wantCharged(paymentAmount)
	}},
	{name: "8 a card that needs the buyer: requires_action with the next action", run: func(p *paymentTest) {
		r := p.request("pm_card_authenticationRequired")
		r.ReturnURL = "https://shop.example.com/back"
		i := p.create(r)
		p.wantStatus(i, payment.RequiresAction)
		if i.NextAction == nil || i.NextAction.Type == "" {
			p.Errorf("next action %+v, want one", i.NextAction)
		}
		p.wantCharged(0)
	}},
	{name: "9 manual capture: authorised, not taken", needs: manualCapture, run: func(p *paymentTest) {
		i := p.authorise()
		p.wantAmounts(i, paymentAmount, 0, 0)
		p.wantCharged(0)
	}},
	{name: "10 capture without an amount takes all", needs: manualCapture, run: func(p *paymentTest) {
		i := p.capture(p.authorise().Reference, 0)
		p.wantAmounts(i, 0, paymentAmount, 0)
		p.wantCharged(paymentAmount)
	}},
	{name: "11 partial capture takes the part and releases the rest", needs: partialCapture, run: func(p *paymentTest) {
		i := p.capture(p.authorise().Reference, 750)
		p.wantAmounts(i, 0, 750, 0)
		p.wantCharged(750)
	}},
	{name: "14 cancel what is authorised: nothing is taken any more", needs: manualCapture, run: func(p *paymentTest) {
		reference := p.authorise().Reference
		i, err := p.Gateway.Cancel(p.Context(), payment.CancelRequest{Key: paymentKey(), Reference: reference})
		if err != nil {
			p.Fatalf("Cancel: %v", err)
		}
		p.wantStatus(i, payment.Canceled)
		p.wantAmounts(i, 0, 0, 0)
		p.wantErr(p.captureErr(reference, 0), fault.Conflict, "unexpected_state")
		p.wantCharged(0)
	}},
	{name: "53 what is to be confirmed here needs no address to come back to", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		r.Confirm, r.Confirmation = false, payment.ConfirmServer
		i, err := p.confirm(p.create(r), "")
		if err != nil {
			p.Fatalf("Confirm: %v", err)
		}
		p.wantStatus(i, payment.Succeeded)
	}},
	{name: "53 what the buyer was to confirm needs one, to be confirmed here", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		r.Confirm, r.Confirmation = false, payment.ConfirmClient
		i := p.create(r)
		_, err := p.confirm(i, "")
		p.wantErr(err, fault.Invalid, "")
		p.wantCharged(0)
		p.wantStatus(p.retrieve(i.Reference), payment.RequiresConfirmation)
		if i, err = p.confirm(i, "https://shop.example.com/back"); err != nil {
			p.Fatalf("Confirm: %v", err)
		}
		p.wantStatus(i, payment.Succeeded)
	}},
	{name: "53 an address that came with the create comes again with the confirm", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		r.Confirm, r.ReturnURL = false, "https://shop.example.com/back"
		i, err := p.confirm(p.create(r), r.ReturnURL)
		if err != nil {
			p.Fatalf("Confirm: %v", err)
		}
		p.wantStatus(i, payment.Succeeded)
	}},
	{name: "38 metadata and the operation's id come back", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		r.Metadata = operationMetadata("op_38")
		r.Metadata["order"] = "A-1 ü €"
		made := p.create(r)
		read := p.retrieve(made.Reference)
		for key, want := range r.Metadata {
			if made.Metadata[key] != want || read.Metadata[key] != want {
				p.Errorf("metadata %s: created %q, retrieved %q, want %q", key, made.Metadata[key], read.Metadata[key], want)
			}
		}
	}},
	{name: "39 the answer has the request's amount and currency", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		r.Amount, r.Currency = 1234, "eur"
		i := p.create(r)
		if i.Amount != r.Amount || i.Currency != r.Currency {
			p.Errorf("%d %s, want %d %s", i.Amount, i.Currency, r.Amount, r.Currency)
		}
		if e := p.entry(); e.Amount != r.Amount || e.Currency != r.Currency {
			p.Errorf("book: %d %s, want %d %s", e.Amount, e.Currency, r.Amount, r.Currency)
		}
	}},
}

func (p *paymentTest) confirm(i payment.Intent, returnURL string) (payment.Intent, error) {
	return p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: paymentKey(), Reference: i.Reference, ReturnURL: returnURL})
}

// capture makes a capture that must succeed.
func (p *paymentTest) capture(reference string, amount int64) payment.Intent {
	p.Helper()
	i, err := p.Gateway.Capture(p.Context(), payment.CaptureRequest{
		Key: paymentKey(), Reference: reference, Amount: amount, Currency: "usd",
	})
	if err != nil {
		p.Fatalf("Capture: %v", err)
	}
	p.wantStatus(i, payment.Succeeded)
	return i
}
