package payment_test

import (
	"testing"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// equal fails the test unless a fact is as wanted.
func equal[T comparable](t *testing.T, fact string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", fact, got, want)
	}
}

func TestTerminalStatusesAndOpenOutcomes(t *testing.T) {
	t.Parallel()
	for status, terminal := range map[payment.Status]bool{
		payment.RequiresPaymentMethod: false,
		payment.RequiresConfirmation:  false,
		payment.RequiresAction:        false,
		payment.Processing:            false,
		payment.RequiresCapture:       false,
		payment.Succeeded:             true,
		payment.Canceled:              true,
	} {
		if got := status.Terminal(); got != terminal {
			t.Errorf("%s is terminal = %v, want %v", status, got, terminal)
		}
	}
	for outcome, open := range map[payment.Outcome]bool{
		payment.Calling:     true,
		payment.Unknown:     true,
		payment.NotSent:     false,
		payment.NotExecuted: false,
		payment.Declined:    false,
		payment.Done:        false,
		payment.Pending:     false, // the provider has it, and reports the result
	} {
		if got := outcome.Open(); got != open {
			t.Errorf("%s is open = %v, want %v", outcome, got, open)
		}
	}
}

// The provider's present state leads anywhere but back from the end.
func TestReplace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		from, reported payment.Status
		want           payment.Status
	}{
		{"from requires_action back to requires_payment_method", payment.RequiresAction, payment.RequiresPaymentMethod, payment.RequiresPaymentMethod},
		{"from requires_capture back to requires_payment_method, after the authorisation was released", payment.RequiresCapture, payment.RequiresPaymentMethod, payment.RequiresPaymentMethod},
		{"from processing to succeeded", payment.Processing, payment.Succeeded, payment.Succeeded},
		{"never out of succeeded", payment.Succeeded, payment.Canceled, payment.Succeeded},
		{"never out of canceled", payment.Canceled, payment.Processing, payment.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := payment.Payment{Status: tt.from}
			p.Replace(intent(tt.reported))
			if p.Status != tt.want {
				t.Errorf("status %s, want %s", p.Status, tt.want)
			}
		})
	}
}

// A refund that failed at the provider gives its amount back to what can be
// refunded; money that was taken stays taken.
func TestReplaceSetsTheRefundedAmountAndKeepsTheCaptured(t *testing.T) {
	t.Parallel()
	p := payment.Payment{Status: payment.Succeeded, AmountCaptured: 500, AmountRefunded: 300}
	p.Replace(payment.Intent{Status: payment.Succeeded, AmountCaptured: 400, AmountRefunded: 100})
	if p.AmountCaptured != 500 || p.AmountRefunded != 100 || p.Refundable() != 400 {
		t.Errorf("captured %d, refunded %d, refundable %d; want 500, 100, 400", p.AmountCaptured, p.AmountRefunded, p.Refundable())
	}
}

// A report may be late: what was known to be captured or refunded stays so.
func TestMergeNeverLowersAnAmount(t *testing.T) {
	t.Parallel()
	p := payment.Payment{Status: payment.Succeeded, AmountCaptured: 500, AmountRefunded: 300}
	p.Merge(payment.Intent{Status: payment.Succeeded, AmountCaptured: 400, AmountRefunded: 100})
	if p.AmountCaptured != 500 || p.AmountRefunded != 300 {
		t.Errorf("captured %d, refunded %d; want 500 and 300", p.AmountCaptured, p.AmountRefunded)
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	open := func() (*payment.Payment, *payment.Operation) {
		p := &payment.Payment{Status: payment.Processing, Operations: []payment.Operation{
			{ID: "op_1", Action: payment.Create, Outcome: payment.Calling, Request: payment.Request{Confirm: true}},
		}}
		return p, &p.Operations[0]
	}
	t.Run("ends the operation and sets the payment's state", func(t *testing.T) {
		t.Parallel()
		p, op := open()
		i := intent(payment.RequiresAction)
		i.ClientSecret, i.PublishableKey, i.NextAction = "secret", "pk_1", &payment.NextAction{Type: "use_stripe_sdk"}
		p.Answer(op, payment.Done, i)
		equal(t, "outcome", op.Outcome, payment.Done)
		equal(t, "status", p.Status, payment.RequiresAction)
		equal(t, "next action", p.NextAction, i.NextAction)
		equal(t, "provider reference", p.ProviderReference, "pi_1")
		equal(t, "client secret", p.ClientSecret, "secret")
		equal(t, "publishable key", p.PublishableKey, "pk_1")
	})
	t.Run("that is a decline sets the payment's error", func(t *testing.T) {
		t.Parallel()
		p, op := open()
		p.Answer(op, payment.Declined, intent(payment.RequiresPaymentMethod))
		equal(t, "outcome", op.Outcome, payment.Declined)
		equal(t, "status", p.Status, payment.RequiresPaymentMethod)
		if p.Error == nil || p.Error.Code != "card_declined" {
			t.Errorf("error = %+v, want the code card_declined", p.Error)
		}
	})
	t.Run("without an intent leaves the status", func(t *testing.T) {
		t.Parallel()
		p, op := open()
		p.Answer(op, payment.NotSent, payment.Intent{})
		equal(t, "outcome", op.Outcome, payment.NotSent)
		equal(t, "status", p.Status, payment.Processing)
		equal(t, "provider reference", p.ProviderReference, "")
	})
	t.Run("after a webhook has ended the operation is merged like an event", func(t *testing.T) {
		t.Parallel()
		p, op := open()
		p.Merge(intent(payment.RequiresCapture))
		p.Answer(op, payment.NotExecuted, intent(payment.RequiresAction))
		equal(t, "outcome", op.Outcome, payment.Done)
		equal(t, "status", p.Status, payment.RequiresCapture)
		equal(t, "amount capturable", p.AmountCapturable, 500)
	})
	t.Run("leaves a terminal status", func(t *testing.T) {
		t.Parallel()
		p := &payment.Payment{Status: payment.Succeeded, Operations: []payment.Operation{{Action: payment.Cancel, Outcome: payment.Calling}}}
		p.Answer(&p.Operations[0], payment.Done, intent(payment.Canceled))
		equal(t, "outcome", p.Operations[0].Outcome, payment.Done)
		equal(t, "status", p.Status, payment.Succeeded)
	})
}

// A payment is pinned to the object that it was first known by.
func TestTheReferenceStays(t *testing.T) {
	t.Parallel()
	p := payment.Payment{ProviderReference: "pi_first", ClientSecret: "secret", PublishableKey: "pk_1"}
	p.Merge(payment.Intent{Reference: "pi_second", Status: payment.Processing})
	equal(t, "provider reference", p.ProviderReference, "pi_first")
	equal(t, "client secret", p.ClientSecret, "secret")
	equal(t, "publishable key", p.PublishableKey, "pk_1")
}

func TestFindingAnOperation(t *testing.T) {
	t.Parallel()
	p := payment.Payment{Operations: []payment.Operation{
		{ID: "op_1", Outcome: payment.NotSent, Key: "acme|POST|k"},
		{ID: "op_2", Outcome: payment.Done, Key: "acme|POST|k"}, // the same key tried again
		{ID: "op_3", Outcome: payment.Done},
	}}
	if op := p.Open(); op != nil {
		t.Errorf("Open() = %s, want none", op.ID)
	}
	p.Operations = append(p.Operations, payment.Operation{ID: "op_4", Outcome: payment.Unknown})
	for name, found := range map[string]struct {
		got  *payment.Operation
		want string
	}{
		"the open one":          {p.Open(), "op_4"},
		"the last under a key":  {p.Under("acme|POST|k"), "op_2"},
		"none under no key":     {p.Under(""), ""},
		"none under another":    {p.Under("acme|POST|l"), ""},
		"by its id":             {p.Operation("op_3"), "op_3"},
		"none by another's id":  {p.Operation("op_5"), ""},
		"none by an id of none": {p.Operation(""), ""},
	} {
		switch {
		case found.want == "" && found.got != nil:
			t.Errorf("%s: %s", name, found.got.ID)
		case found.want != "" && (found.got == nil || found.got.ID != found.want):
			t.Errorf("%s: %+v, want %s", name, found.got, found.want)
		}
	}
	p.Operation("op_4").Outcome = payment.Done
	if p.Operations[3].Outcome != payment.Done {
		t.Error("what is found is a copy: what ends it is lost")
	}
}

func TestEndRefund(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status   string // Stripe's
		outcome  payment.Outcome
		refunded int64
		code     string
	}{
		{"succeeded", payment.Done, 300, ""},
		{"pending", payment.Pending, 300, ""},
		{"requires_action", payment.Pending, 300, ""},
		{"failed", payment.NotExecuted, 100, "refund_failed"},
		{"canceled", payment.NotExecuted, 100, "refund_canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.status, func(t *testing.T) {
			t.Parallel()
			p := payment.Payment{AmountCaptured: 500, AmountRefunded: 100, Operations: []payment.Operation{
				{Action: payment.Capture, Outcome: payment.Done, Amount: 500},
				{Action: payment.Refund, Outcome: payment.Done, Amount: 100, Reference: "re_0"},
				{Action: payment.Refund, Outcome: payment.NotExecuted, Amount: 50},
				{Action: payment.Refund, Outcome: payment.Calling, Amount: 200},
			}}
			op := &p.Operations[3]
			p.EndRefund(op, payment.ProviderRefund{Reference: "re_1", Status: tt.status})
			if op.Outcome != tt.outcome || op.Reference != "re_1" || p.AmountRefunded != tt.refunded || p.Refundable() != 500-tt.refunded {
				t.Errorf("%+v, refunded %d; want %s, %d", op, p.AmountRefunded, tt.outcome, tt.refunded)
			}
			if code := failureCode(op.Error); code != tt.code {
				t.Errorf("error %q, want %q", code, tt.code)
			}
			p.EndRefund(op, payment.ProviderRefund{Reference: "re_1", Status: tt.status})
			if p.AmountRefunded != tt.refunded {
				t.Errorf("told twice: refunded %d, want %d", p.AmountRefunded, tt.refunded)
			}
		})
	}
}

func failureCode(f *payment.Failure) string {
	if f == nil {
		return ""
	}
	return f.Code
}

func TestAnIntentForAnotherAmountIsAnother(t *testing.T) {
	t.Parallel()
	i := payment.Intent{Amount: 500, Currency: "usd"}
	for _, tt := range []struct {
		amount   int64
		currency money.Currency
		want     bool
	}{{500, "usd", true}, {501, "usd", false}, {500, "eur", false}} {
		if got := i.Same(tt.amount, tt.currency); got != tt.want {
			t.Errorf("Same(%d, %s) = %v", tt.amount, tt.currency, got)
		}
	}
}
