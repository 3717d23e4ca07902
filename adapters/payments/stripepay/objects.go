package stripepay

import (
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
)

// statuses are the known statuses of an intent.
var statuses = map[payment.Status]bool{
	payment.RequiresPaymentMethod: true, payment.RequiresConfirmation: true, payment.RequiresAction: true,
	payment.Processing: true, payment.RequiresCapture: true, payment.Succeeded: true, payment.Canceled: true,
}

// intentOf converts an intent. ok is false if the object is not a valid intent. A status
// that Stripe may add later could mean anything, so such an intent counts as processing,
// and is retrieved again.
func (g *Gateway) intentOf(pi *stripe.PaymentIntent) (payment.Intent, bool) {
	if pi == nil || !strings.HasPrefix(pi.ID, "pi_") || pi.Object != "payment_intent" || pi.Amount <= 0 || pi.Status == "" {
		return payment.Intent{}, false
	}
	amount, capturable, received := pi.Amount, pi.AmountCapturable, pi.AmountReceived
	if !minor(pi.Currency, &amount, &capturable, &received) {
		return payment.Intent{}, false
	}
	i := payment.Intent{
		Reference: pi.ID, Status: payment.Status(pi.Status), Amount: amount, Currency: money.Currency(pi.Currency),
		AmountCapturable: capturable, AmountCaptured: received,
		ClientSecret: pi.ClientSecret, PublishableKey: g.publishableKey,
		Metadata: pi.Metadata, CreatedAt: instant(pi.Created),
	}
	if !statuses[i.Status] {
		i.Status = payment.Processing
	}
	if ch := pi.LatestCharge; ch != nil {
		i.AmountRefunded = payment.GivenBack(ch.Amount, ch.AmountCaptured, ch.AmountRefunded)
		if !minor(pi.Currency, &i.AmountRefunded) {
			return payment.Intent{}, false
		}
		i.Disputed = ch.Disputed
	}
	if f := pi.LastPaymentError; f != nil {
		i.Failure = &payment.Failure{Code: string(f.Code), DeclineCode: string(f.DeclineCode), Message: f.Msg}
	}
	if n := pi.NextAction; n != nil {
		i.NextAction = &payment.NextAction{Type: string(n.Type)}
		if n.RedirectToURL != nil {
			i.NextAction.URL = n.RedirectToURL.URL
		}
	}
	return i, true
}

// refundOf converts a refund of an intent. Its id may have any form: re_… for a card, pyr_…
// for a bank. ok is false if the object is not a valid refund, or belongs to another
// intent.
func refundOf(r *stripe.Refund, intent string) (payment.ProviderRefund, bool) {
	if r == nil || r.ID == "" || r.Object != "refund" || r.PaymentIntent != nil && r.PaymentIntent.ID != intent {
		return payment.ProviderRefund{}, false
	}
	amount := r.Amount
	if !minor(r.Currency, &amount) {
		return payment.ProviderRefund{}, false
	}
	out := payment.ProviderRefund{
		Reference: r.ID, Intent: intent, Amount: amount, Currency: money.Currency(r.Currency),
		Status: string(r.Status), Reason: string(r.Reason), Failure: string(r.FailureReason),
		Metadata: r.Metadata, CreatedAt: instant(r.Created),
	}
	if ch := r.Charge; ch != nil {
		out.Total = payment.GivenBack(ch.Amount, ch.AmountCaptured, ch.AmountRefunded)
		if !minor(r.Currency, &out.Total) {
			out.Total = 0
		}
	}
	return out, true
}

// odd returns the fault for a response with an object that cannot be the requested one. It
// proves nothing. If there is an object with an id, the fault does not count against
// Stripe.
func (c call) odd(named bool) *fault.Error {
	f := c.unreadable()
	f.Blameless = named
	return f
}

// instant converts a time of Stripe's, or returns zero if there is none.
func instant(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
