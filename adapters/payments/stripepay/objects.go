package stripepay

import (
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
)

// statuses are those of an intent.
var statuses = map[payment.Status]bool{
	payment.RequiresPaymentMethod: true, payment.RequiresConfirmation: true, payment.RequiresAction: true,
	payment.Processing: true, payment.RequiresCapture: true, payment.Succeeded: true, payment.Canceled: true,
}

// intentOf reads an intent. It is not ok where what came back is none. A status that
// Stripe should add could mean anything; so the intent is under way, and is asked for
// again.
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

// refundOf reads a refund of an intent. Its id may have any form: re_… for a card's,
// pyr_… for a bank's. It is not ok where what came back is none, or another intent's.
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

// odd is an answer with an object of Stripe's that cannot be taken for the one that was
// asked for. It proves nothing. Where there is one at all, named by an id, it says nothing
// of how well Stripe is.
func (c call) odd(named bool) *fault.Error {
	f := c.unreadable()
	f.Blameless = named
	return f
}

// instant is a time of Stripe's, zero where there is none.
func instant(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
