package stripepay

import (
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// statuses are those of an intent. One that Stripe should add could mean
// anything.
var statuses = map[payment.Status]bool{
	payment.RequiresPaymentMethod: true, payment.RequiresConfirmation: true, payment.RequiresAction: true,
	payment.Processing: true, payment.RequiresCapture: true, payment.Succeeded: true, payment.Canceled: true,
}

// intentOf reads an intent. It is not ok where what came back is none.
func (g *Gateway) intentOf(pi *stripe.PaymentIntent) (payment.Intent, bool) {
	if pi == nil || !strings.HasPrefix(pi.ID, "pi_") || pi.Amount <= 0 || !statuses[payment.Status(pi.Status)] {
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
		Metadata: pi.Metadata, CreatedAt: time.Unix(pi.Created, 0).UTC(),
	}
	if ch := pi.LatestCharge; ch != nil {
		i.AmountRefunded = payment.GivenBack(ch.Amount, ch.AmountCaptured, ch.AmountRefunded)
		if !minor(pi.Currency, &i.AmountRefunded) {
			return payment.Intent{}, false
		}
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

// refundOf reads a refund.
func refundOf(r *stripe.Refund) (payment.ProviderRefund, bool) {
	if r == nil || !strings.HasPrefix(r.ID, "re_") || r.PaymentIntent == nil || r.Status == "" {
		return payment.ProviderRefund{}, false
	}
	amount := r.Amount
	if !minor(r.Currency, &amount) {
		return payment.ProviderRefund{}, false
	}
	return payment.ProviderRefund{
		Reference: r.ID, Intent: r.PaymentIntent.ID, Amount: amount, Currency: money.Currency(r.Currency),
		Status: string(r.Status), Metadata: r.Metadata, CreatedAt: time.Unix(r.Created, 0).UTC(),
	}, true
}
