package paymenttest

import (
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// lifecycleCases contains the cases without failures.
var lifecycleCases = []testCase{
	{
		name: "create without confirming: nothing is taken",
		doc:  "An unconfirmed intent requires a payment method, has a client secret if InBrowser is declared, and takes nothing.",
		run: func(p *suite) {
			r := p.request("")
			r.Confirm = false
			i := p.create(r)
			p.wantStatus(i, payment.RequiresPaymentMethod)
			p.wantAmounts(i, 0, 0, 0)
			if i.Reference == "" || i.CreatedAt.IsZero() {
				p.Errorf("reference %q, created %v: want both set", i.Reference, i.CreatedAt)
			}
			if want := p.Gateway.Capabilities().InBrowser; (i.ClientSecret != "") != want {
				p.Errorf("client secret %q, want one: %t", i.ClientSecret, want)
			}
			p.entry()
			p.wantCharged(0)
		},
	},
	{
		name: "create and confirm in one request: the money is taken",
		doc:  "A confirmed create takes the amount once.",
		run: func(p *suite) {
			i := p.paid()
			p.wantAmounts(i, 0, usual, 0)
			p.entry()
			p.wantCharged(usual)
		},
	},
	{
		name: "create, then confirm: the money is taken once",
		doc:  "A confirm takes the amount once; a second confirm is refused with unexpected_state.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Confirm = false
			i := p.create(r)
			p.wantStatus(i, payment.RequiresConfirmation)
			p.wantCharged(0)
			confirmed, err := p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: newKey(), Reference: i.Reference})
			if err != nil {
				p.Fatalf("Confirm: %v", err)
			}
			p.wantStatus(p.ended(payment.Confirm, confirmed), payment.Succeeded)
			p.entry()
			p.wantCharged(usual)
			_, err = p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: newKey(), Reference: i.Reference})
			p.wantErr(err, fault.Conflict, "unexpected_state")
			p.wantCharged(usual)
		},
	},
	{
		name: "a card that needs the buyer: requires_action with the next action",
		doc:  "The next action has an address if Redirect is declared; the payment succeeds once the buyer has approved it.",
		run: func(p *suite) {
			r := p.request(p.NeedsBuyer)
			r.ReturnURL = "https://shop.example.com/back"
			i := p.create(r)
			p.wantStatus(i, payment.RequiresAction)
			if i.NextAction == nil || i.NextAction.Type == "" {
				p.Fatalf("next action %+v, want one", i.NextAction)
			}
			if got, want := i.NextAction.URL != "", p.Gateway.Capabilities().Redirect; got != want {
				p.Errorf("next action %+v, want an address: %t", i.NextAction, want)
			}
			p.wantCharged(0)
			if p.Approve == nil {
				return
			}
			p.Approve(p.T, i.Reference)
			p.settle()
			p.wantStatus(p.retrieve(i.Reference), payment.Succeeded)
			p.entry()
			p.wantCharged(usual)
		},
	},
	{
		name:  "manual capture: authorized, not taken",
		doc:   "A create with manual capture is authorized in full and takes nothing.",
		needs: manualCapture,
		run: func(p *suite) {
			i := p.authorize()
			p.wantAmounts(i, usual, 0, 0)
			p.wantCharged(0)
		},
	},
	{
		name:  "capture without an amount takes all",
		doc:   "A capture of amount 0 takes the whole amount.",
		needs: manualCapture,
		run: func(p *suite) {
			i := p.capture(p.authorize().Reference, 0)
			p.wantAmounts(i, 0, usual, 0)
			p.wantCharged(usual)
		},
	},
	{
		name:  "partial capture takes the part and releases the rest",
		doc:   "A capture of a part takes it, and nothing more can be captured.",
		needs: partialCapture,
		run: func(p *suite) {
			i := p.capture(p.authorize().Reference, 750)
			p.wantAmounts(i, 0, 750, 0)
			p.wantCharged(750)
		},
	},
	{
		name:  "cancel what is authorized: nothing is taken any more",
		doc:   "A canceled authorization cannot be captured.",
		needs: manualCapture,
		run: func(p *suite) {
			reference := p.authorize().Reference
			i, err := p.Gateway.Cancel(p.Context(), payment.CancelRequest{Key: newKey(), Reference: reference})
			if err != nil {
				p.Fatalf("Cancel: %v", err)
			}
			p.wantStatus(i, payment.Canceled)
			p.wantAmounts(i, 0, 0, 0)
			p.wantErr(p.captureErr(reference, 0), fault.Conflict, "unexpected_state")
			p.wantCharged(0)
		},
	},
	{
		name: "what is to be confirmed here needs no address to come back to",
		doc:  "A payment that the server confirms needs no return URL.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Confirm, r.Confirmation = false, payment.ConfirmServer
			i, err := p.confirm(p.create(r), "")
			if err != nil {
				p.Fatalf("Confirm: %v", err)
			}
			p.wantStatus(i, payment.Succeeded)
		},
	},
	{
		name:  "what the buyer was to confirm needs one, to be confirmed here",
		doc:   "With InBrowser, a payment for the browser is confirmed by the server only with a return URL.",
		needs: inBrowser,
		run: func(p *suite) {
			r := p.request(p.Pays)
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
		},
	},
	{
		name: "an address that came with the create comes again with the confirm",
		doc:  "A return URL may be given with the create and with the confirm.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Confirm, r.ReturnURL = false, "https://shop.example.com/back"
			i, err := p.confirm(p.create(r), r.ReturnURL)
			if err != nil {
				p.Fatalf("Confirm: %v", err)
			}
			p.wantStatus(i, payment.Succeeded)
		},
	},
	{
		name: "metadata and the operation's id come back",
		doc:  "Create and Retrieve return all metadata of the request.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Metadata = operationMetadata("op_38")
			r.Metadata["order"] = "A-1 ü €"
			made := p.create(r)
			read := p.retrieve(made.Reference)
			for key, want := range r.Metadata {
				if made.Metadata[key] != want || read.Metadata[key] != want {
					p.Errorf("metadata %s: created %q, retrieved %q, want %q", key, made.Metadata[key], read.Metadata[key], want)
				}
			}
		},
	},
	{
		name: "the answer has the request's amount and currency",
		doc:  "The intent and the book have the amount and currency of the request.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Amount, r.Currency = 1234, "eur"
			i := p.create(r)
			if i.Amount != r.Amount || i.Currency != r.Currency {
				p.Errorf("%d %s, want %d %s", i.Amount, i.Currency, r.Amount, r.Currency)
			}
			if e := p.entry(); e.Amount != r.Amount || e.Currency != r.Currency {
				p.Errorf("book: %d %s, want %d %s", e.Amount, e.Currency, r.Amount, r.Currency)
			}
		},
	},
}

func (p *suite) confirm(i payment.Intent, returnURL string) (payment.Intent, error) {
	i, err := p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: newKey(), Reference: i.Reference, ReturnURL: returnURL})
	if err == nil {
		i = p.ended(payment.Confirm, i)
	}
	return i, err
}

// capture makes a capture that must succeed.
func (p *suite) capture(reference string, amount int64) payment.Intent {
	p.Helper()
	i, err := p.Gateway.Capture(p.Context(), payment.CaptureRequest{
		Key: newKey(), Reference: reference, Amount: amount, Currency: "usd",
	})
	if err != nil {
		p.Fatalf("Capture: %v", err)
	}
	i = p.ended(payment.Capture, i)
	p.wantStatus(i, payment.Succeeded)
	return i
}
