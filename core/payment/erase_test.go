package payment_test

import (
	"slices"
	"testing"
	"time"

	"patchbay/core/payment"
	"patchbay/tests/canary"
)

// stays is what is left of a payment's texts once it is erased: none of them comes
// from a person, or says who it was.
var stays = []string{
	"Account", "CaptureMethod", "Confirmation", "Currency", "Disputes.Currency", "Disputes.Reason", "Disputes.Reference", "Disputes.Status", "Error.Code", "Error.DeclineCode", "ID",
	"Objects.Kind", "Objects.Reference",
	"Operations.Account", "Operations.Action", "Operations.Before", "Operations.Error.Code", "Operations.Error.DeclineCode", "Operations.Fingerprint", "Operations.ID",
	"Operations.Key", "Operations.Kind", "Operations.Outcome", "Operations.Provider", "Operations.ProviderKey",
	"Operations.Reference", "Operations.Request.Reference",
	"Provider", "ProviderReference", "PublishableKey",
	"Refunds.Failure", "Refunds.Operation", "Refunds.Reason", "Refunds.Reference", "Refunds.Status",
	"Reviews.By", "Reviews.Detail", "Reviews.Reason", "Reviews.Verdict", "Status", "Tenant",
}

// A field that is added to a payment fails here, until it is either erased or
// found to be nobody's.
func TestNothingPersonalIsLeftInAnErasedPayment(t *testing.T) {
	t.Parallel()
	var p payment.Payment
	canary.Fill(&p)
	now := time.Now()
	p.Erase(now)
	if left := canary.Left(&p); !slices.Equal(left, stays) {
		t.Errorf("left: %q\nwant: %q", left, stays)
	}
	if !p.ErasedAt.Equal(now) || !p.Operations[0].Erased {
		t.Errorf("no marker: %+v", p)
	}
}

// Whatever a provider tells of an erased payment, and whoever brings it, nothing of
// a person comes back with it.
func TestMergeRestoresNoErasedData(t *testing.T) {
	t.Parallel()
	for name, bring := range map[string]func(*payment.Payment, payment.Intent){
		"a webhook":         func(p *payment.Payment, i payment.Intent) { p.Merge(i) },
		"the present state": func(p *payment.Payment, i payment.Intent) { p.Replace(i) },
		"an answer":         func(p *payment.Payment, i payment.Intent) { p.Answer(p.Open(), payment.NotExecuted, i) },
		"a belated answer": func(p *payment.Payment, i payment.Intent) {
			p.Answer(&payment.Operation{Outcome: payment.Done}, payment.Done, i)
		},
		"two of them":        func(p *payment.Payment, i payment.Intent) { p.Merge(i); p.Replace(i) },
		"a declined payment": func(p *payment.Payment, i payment.Intent) { i.Status = payment.RequiresPaymentMethod; p.Replace(i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := payment.Payment{Status: payment.RequiresPaymentMethod, AmountCapturable: 5}
			p.Erase(time.Now())
			p.Operations = []payment.Operation{{Action: payment.Capture, Outcome: payment.Calling}}
			var i payment.Intent
			canary.Fill(&i)
			i.AmountCaptured, i.AmountRefunded = 7, 3
			bring(&p, i)
			news := []string{"Disputes.Currency", "Disputes.Reason", "Disputes.Reference", "Disputes.Status", "Error.Code", "Error.DeclineCode", "Objects.Kind", "Objects.Reference", "ProviderReference", "PublishableKey", "Status"}
			left := slices.DeleteFunc(canary.Left(&p), func(path string) bool { return slices.Contains(news, path) })
			if len(left) > 0 {
				t.Errorf("it came back: %q", left)
			}
			if p.AmountCaptured != 7 || p.AmountRefunded != 3 || p.ProviderReference != i.Reference {
				t.Errorf("the news is lost: %+v", p)
			}
		})
	}
}
