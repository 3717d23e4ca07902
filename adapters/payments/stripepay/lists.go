package stripepay

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// Refunds implements ports.PaymentGateway. Stripe lists the newest first. The list includes
// the release of a partial capture, which nobody requested.
func (g *Gateway) Refunds(ctx context.Context, reference string) ([]payment.ProviderRefund, error) {
	c := g.begin(ctx, "refunds")
	p := &stripe.RefundListParams{PaymentIntent: stripe.String(reference)}
	p.Context, p.Limit = c.ctx, stripe.Int64(100)
	var all []payment.ProviderRefund
	list := g.api.Refunds.List(p)
	for list.Next() {
		one := list.Refund()
		refund, ok := refundOf(one, reference)
		if !ok {
			return nil, c.odd(one != nil && one.ID != "")
		}
		all = append(all, refund)
	}
	if err := list.Err(); err != nil {
		return nil, c.failure(err)
	}
	if list.Meta().URL == "" { // as below
		return nil, c.unreadable()
	}
	slices.Reverse(all)
	return all, nil
}

// List implements ports.PaymentGateway. Its cursor is the last intent of the previous page.
func (g *Gateway) List(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error) {
	c := g.begin(ctx, "list")
	if r.Operation != "" { // Stripe's search is too far behind to prove anything
		return payment.IntentPage{}, c.fault(fault.Unsupported, "lookup_unsupported", "Stripe does not look for an operation", nil)
	}
	p := &stripe.PaymentIntentListParams{
		CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: second(r.From), LesserThanOrEqual: second(r.To)},
		Expand:       stripe.StringSlice([]string{"data.latest_charge"}),
	}
	p.Context, p.Limit, p.StartingAfter, p.Single = c.ctx, stripe.Int64(int64(r.Limit)), optional(r.Cursor), true
	var page payment.IntentPage
	list := g.api.PaymentIntents.List(p)
	for list.Next() {
		one := list.PaymentIntent()
		i, ok := g.intentOf(one)
		if !ok {
			return payment.IntentPage{}, c.odd(one != nil && one.ID != "")
		}
		page.Intents = append(page.Intents, i)
	}
	if err := list.Err(); err != nil {
		return payment.IntentPage{}, c.failure(err)
	}
	if list.Meta().URL == "" { // otherwise a response that is not a list would look like an empty one
		return payment.IntentPage{}, c.unreadable()
	}
	if n := len(page.Intents); n > 0 && list.Meta().HasMore {
		page.Next = page.Intents[n-1].Reference
	}
	if now, err := http.ParseTime(c.exchange.Header("Date")); err == nil {
		page.Now = now
	}
	return page, nil
}

// second returns a bound of a time range, or 0 for none.
func second(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
