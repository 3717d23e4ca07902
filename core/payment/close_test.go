package payment_test

import (
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// What an operation is answered with, the first time and on each repeat, is what became
// of it, whoever brings that.
func TestPresentStateEndsTheOperation(t *testing.T) {
	t.Parallel()
	captured := func(amount int64) payment.Intent {
		i := intent(payment.Succeeded)
		i.AmountCaptured = amount
		return i
	}
	own := func(s payment.Status) payment.Intent {
		i := intent(s)
		i.Key = "key"
		return i
	}
	declinedBefore := intent(payment.Canceled)
	declinedBefore.Failure = &payment.Failure{Code: "card_declined"}
	tests := []struct {
		name    string
		op      payment.Operation
		i       payment.Intent
		outcome payment.Outcome
		kind    fault.Kind
		code    string
	}{
		{"a create that was declined", payment.Operation{Action: payment.Create, Request: payment.Request{Confirm: true}}, intent(payment.RequiresPaymentMethod), payment.Declined, fault.Declined, "card_declined"},
		{"a confirm of a payment that is canceled", payment.Operation{Action: payment.Confirm}, intent(payment.Canceled), payment.NotExecuted, fault.Conflict, "unexpected_state"},
		{"a confirm that was declined, by an event that it has caused", payment.Operation{Action: payment.Confirm, Before: payment.RequiresPaymentMethod}, own(payment.RequiresPaymentMethod), payment.Declined, fault.Declined, "card_declined"},
		{"a confirm that was declined, where nothing had been before", payment.Operation{Action: payment.Confirm, Before: payment.RequiresConfirmation}, intent(payment.RequiresPaymentMethod), payment.Declined, fault.Declined, "card_declined"},
		{"a confirm after a decline says nothing by the decline", payment.Operation{Action: payment.Confirm, Before: payment.RequiresPaymentMethod}, intent(payment.RequiresPaymentMethod), payment.Unknown, 0, ""},
		{"a confirm while the buyer had to act says nothing by that", payment.Operation{Action: payment.Confirm, Before: payment.RequiresAction}, intent(payment.RequiresAction), payment.Unknown, 0, ""},
		{"a confirm after which the buyer must act", payment.Operation{Action: payment.Confirm, Before: payment.RequiresConfirmation}, intent(payment.RequiresAction), payment.Done, 0, ""},
		{"a capture of what was captured", payment.Operation{Action: payment.Capture, Amount: 300}, captured(300), payment.Done, 0, ""},
		{"a capture where another amount was captured", payment.Operation{Action: payment.Capture, Amount: 500}, captured(300), payment.NotExecuted, fault.Conflict, "unexpected_state"},
		{"a capture of all where less was captured", payment.Operation{Action: payment.Capture}, captured(300), payment.NotExecuted, fault.Conflict, "unexpected_state"},
		{"a capture of what was let go", payment.Operation{Action: payment.Capture}, intent(payment.Canceled), payment.NotExecuted, fault.Conflict, "unexpected_state"},
		{"a cancel that was done, after a decline", payment.Operation{Action: payment.Cancel}, declinedBefore, payment.Done, 0, ""},
		{"a cancel of what has succeeded", payment.Operation{Action: payment.Cancel}, intent(payment.Succeeded), payment.NotExecuted, fault.Conflict, "unexpected_state"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.op.Outcome, tt.op.ProviderKey = payment.Unknown, "key"
			p := payment.Payment{Amount: 500, Currency: "usd", Status: payment.Processing, Operations: []payment.Operation{tt.op}}
			p.Replace(tt.i)
			op := p.Operations[0]
			kind := ""
			if tt.code != "" {
				kind = tt.kind.String()
			}
			if op.Outcome != tt.outcome || op.Kind != kind || failureCode(op.Error) != tt.code {
				t.Errorf("%s, %q, %q; want %s, %q, %q", op.Outcome, op.Kind, failureCode(op.Error), tt.outcome, kind, tt.code)
			}
		})
	}
}

// News of the status that is known may be the older one.
func TestMergeOfSameStatusIsStaleOnlyIfItDiffers(t *testing.T) {
	t.Parallel()
	known := payment.NextAction{Type: "redirect_to_url", URL: "https://new.example"}
	p := payment.Payment{Status: payment.RequiresAction, NextAction: &known}
	same, older := known, payment.NextAction{Type: "redirect_to_url", URL: "https://old.example"}
	if p.Merge(payment.Intent{Status: payment.RequiresAction, NextAction: &same}) {
		t.Error("the same is asked for")
	}
	if !p.Merge(payment.Intent{Status: payment.RequiresAction, NextAction: &older}) || p.NextAction.URL != known.URL {
		t.Errorf("the payment leads to %s by news of which nobody knows how old it is", p.NextAction.URL)
	}
	p = payment.Payment{Status: payment.RequiresCapture, AmountCapturable: 500}
	if !p.Merge(payment.Intent{Status: payment.RequiresCapture, AmountCapturable: 700}) || p.AmountCapturable != 500 {
		t.Errorf("%d are capturable by such news", p.AmountCapturable)
	}
}

func TestUnrequestedAmountOrCurrencyNeedsReview(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		i          payment.Intent
		reason     string
		refundable int64
	}{
		{"another amount", payment.Intent{Status: payment.Succeeded, Amount: 900, Currency: "usd", AmountCaptured: 900}, payment.ReviewAmount, 900},
		{"ten times as much captured", payment.Intent{Status: payment.Succeeded, Amount: 1000, Currency: "usd", AmountCaptured: 10_000}, payment.ReviewAmount, 1000},
		{"another currency", payment.Intent{Status: payment.Succeeded, Amount: 1000, Currency: "eur", AmountCaptured: 1000}, payment.ReviewCurrency, 0},
	}
	for _, tt := range tests {
		for way, take := range map[string]func(p *payment.Payment){
			"an event":          func(p *payment.Payment) { p.Merge(tt.i) },
			"the present state": func(p *payment.Payment) { p.Replace(tt.i) },
			"an answer":         func(p *payment.Payment) { p.Answer(&p.Operations[0], payment.Done, tt.i) },
		} {
			t.Run(tt.name+" by "+way, func(t *testing.T) {
				t.Parallel()
				p := payment.Payment{Amount: 1000, Currency: "usd", Status: payment.Processing, Operations: []payment.Operation{
					{Action: payment.Create, Outcome: payment.Unknown, Request: payment.Request{Confirm: true}},
				}}
				take(&p)
				p.Audit(time.Now())
				if !p.NeedsReview || p.Reviews[0].Reason != tt.reason || p.Reviews[0].At.IsZero() || p.Refundable() != tt.refundable {
					t.Errorf("%+v, refundable %d; want %s and %d", p.Reviews, p.Refundable(), tt.reason, tt.refundable)
				}
			})
		}
	}
}

// While a call is under way, what somebody else does at the provider says nothing of it,
// unless nothing can come of the call any more.
func TestForeignActionDoesNotEndACallInProgress(t *testing.T) {
	t.Parallel()
	const confirm, capture, cancel = payment.Confirm, payment.Capture, payment.Cancel
	tests := []struct {
		action payment.Action
		told   payment.Status
		ends   payment.Outcome // empty: it does not end
	}{
		{confirm, payment.RequiresPaymentMethod, ""},
		{confirm, payment.RequiresAction, ""},
		{confirm, payment.Canceled, payment.NotExecuted},
		{confirm, payment.Succeeded, payment.Done},
		{capture, payment.RequiresPaymentMethod, ""},
		{capture, payment.Canceled, payment.NotExecuted},
		{cancel, payment.RequiresPaymentMethod, ""},
		{cancel, payment.Canceled, payment.Done},
	}
	ways := map[string]struct {
		outcome payment.Outcome
		take    func(*payment.Payment, payment.Intent)
	}{
		"by the event of another's request": {payment.Calling, func(p *payment.Payment, i payment.Intent) {
			i.Key = "another"
			p.Merge(i)
		}},
		"by the present state":                             {payment.Calling, (*payment.Payment).Replace},
		"by the present state, while it waits":             {payment.Waiting, (*payment.Payment).Replace},
		"by the present state, while its call is repeated": {payment.Unknown, (*payment.Payment).ReplaceDuringCall},
	}
	for _, tt := range tests {
		for name, way := range ways {
			t.Run(string(tt.action)+", "+string(tt.told)+" "+name, func(t *testing.T) {
				t.Parallel()
				want := tt.ends
				if want == "" {
					want = way.outcome
				}
				p := payment.Payment{Amount: 500, Currency: "usd", Status: payment.Processing, Operations: []payment.Operation{
					{Action: tt.action, Outcome: way.outcome, ProviderKey: "key", Before: payment.RequiresConfirmation},
				}}
				way.take(&p, intent(tt.told))
				if got := p.Operations[0].Outcome; got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		}
	}
}
