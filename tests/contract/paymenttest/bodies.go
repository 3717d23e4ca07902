package paymenttest

import (
	"strings"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// bodyCases checks how a gateway composes the bodies of requests.
var bodyCases = []testCase{
	{
		name: "composing calls nothing, and is the same each time",
		doc:  "Compose returns the same body each time, another for each request, and makes no call.",
		run: func(p *suite) {
			made := p.request(p.Pays)
			made.Metadata = map[string]string{"b": "2", "a": "1", "c": "3"}
			bodies := map[string]bool{}
			for _, change := range []payment.Change{
				made,
				payment.ConfirmRequest{Key: "k", Reference: "pi_contract", PaymentMethod: p.Pays, ReturnURL: "https://shop.example.com/ä?b=c&d"},
				payment.CaptureRequest{Key: "k", Reference: "pi_contract", Amount: 7, Currency: "usd"},
				payment.RefundRequest{Key: "k", Reference: "pi_contract", Amount: 7, Currency: "usd", Metadata: made.Metadata},
				payment.CancelRequest{Key: "k", Reference: "pi_contract"},
			} {
				body := p.compose(change)
				bodies[body] = true
				for range 20 {
					if again := p.compose(change); again != body || body == "" {
						p.Fatalf("%T: %q, then %q", change, body, again)
					}
				}
			}
			if len(bodies) != 5 {
				p.Errorf("%d bodies of 5 requests", len(bodies))
			}
			if book := p.Book(p.T); len(book) != 0 {
				p.Errorf("book %+v, want it empty", book)
			}
		},
	},
	{
		name: "what was composed is what goes out without it",
		doc:  "A request with the body of Compose repeats the one that was sent without a body.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Metadata = operationMetadata("op_body")
			first := p.create(r)
			r.Body = p.compose(r)
			if second := p.create(r); second.Reference != first.Reference {
				p.Errorf("it made %s, want %s", second.Reference, first.Reference)
			}
			p.entry()
		},
	},
	{
		name: "it is the body that is done",
		doc:  "If a request has a body, that is executed, and not the other fields.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Body = p.compose(r)
			r.Description, r.Metadata = "worded otherwise by now", operationMetadata("op_body")
			if made := p.create(r); made.Metadata[payment.MetaOperation] != "" {
				p.Errorf("made with %v", made.Metadata)
			}
			p.wantCharged(usual)
		},
	},
	{
		name: "a repeat of the body has the first result, whatever the request says by now",
		doc:  "A repeat with the same body returns the first intent although other fields have changed.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Body = p.compose(r)
			first := p.create(r)
			r.Description = "worded otherwise by now"
			if second := p.create(r); second.Reference != first.Reference {
				p.Errorf("it made %s, want %s", second.Reference, first.Reference)
			}
			p.entry()
		},
	},
	{
		name: "another body under the key is a mismatch",
		doc:  "Another body under a key is refused with idempotency_mismatch.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Body = p.compose(r)
			p.create(r)
			r.Body = ""
			r.Description = "another"
			r.Body = p.compose(r)
			if _, err := p.Gateway.Create(p.Context(), r); err == nil || fault.From(err).Code != idempotencyMismatch {
				p.Errorf("it was answered %v", err)
			}
			p.entry()
		},
	},
	{
		name:  "a refund is repeated by its body",
		doc:   "A refund that is repeated with its body is made once.",
		needs: partialRefunds,
		run: func(p *suite) {
			r := payment.RefundRequest{Key: newKey(), Reference: p.paid().Reference, Amount: 300, Currency: "usd"}
			r.Body = p.compose(r)
			for range 2 {
				if refund, err := p.Gateway.Refund(p.Context(), r); err != nil || refund.Amount != 300 {
					p.Fatalf("Refund: %+v, %v", refund, err)
				}
				r.Metadata = operationMetadata("worded otherwise by now")
			}
			p.settle()
			if e := p.entry(); e.Refunds != 1 || e.Refunded != 300 {
				p.Errorf("%d refunds of %d", e.Refunds, e.Refunded)
			}
		},
	},
	{
		name: "a body that cannot be read is invalid, and nothing is sent",
		doc:  "A stored body that cannot be read is refused with body_invalid, and the book stays empty.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Body = "amount=%zz" + strings.Repeat("{", 3)
			_, err := p.Gateway.Create(p.Context(), r)
			p.wantErr(err, fault.Invalid, "body_invalid")
			if book := p.Book(p.T); len(book) != 0 {
				p.Errorf("book %+v, want it empty", book)
			}
		},
	},
}

func (p *suite) compose(change payment.Change) string {
	p.Helper()
	body, err := p.Gateway.Compose(change)
	if err != nil {
		p.Fatalf("Compose: %v", err)
	}
	return body
}
