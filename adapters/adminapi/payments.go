package adminapi

import (
	"context"
	"time"

	"patchbay/core/payment"
)

// Verdict settles a payment of a tenant.
type Verdict struct {
	Tenant    string `json:"tenant"`
	Verdict   string `json:"verdict"`
	Reference string `json:"reference,omitempty"`
	Note      string `json:"note,omitempty"`
}

// Settled answers a Verdict.
type Settled struct {
	ID     string         `json:"id"`
	Status payment.Status `json:"status"`
}

// Review is one reason why a payment needs a person.
type Review struct {
	Payment  string         `json:"payment"`
	Tenant   string         `json:"tenant"`
	Provider string         `json:"provider"`
	Status   payment.Status `json:"status"`
	Reason   string         `json:"reason"`
	Detail   string         `json:"detail,omitempty"`
	At       time.Time      `json:"at"`
}

// ReviewLine is one line of the list of reviews. The last line is Done or has an Error;
// without such a line the list is not complete.
type ReviewLine struct {
	Looked int     `json:"looked,omitempty"` // payments read since the previous line
	Review *Review `json:"review,omitempty"`
	Done   bool    `json:"done,omitempty"`
	Error  string  `json:"error,omitempty"`
}

func (l ReviewLine) failure() string { return l.Error }
func (l ReviewLine) last() bool      { return l.Done }

// reviews returns the open reviews of a payment.
func reviews(p payment.Payment) (open []Review) {
	one := Review{Payment: p.ID, Tenant: p.Tenant, Provider: p.Provider, Status: p.Status}
	for _, r := range p.Reviews {
		if r.Open() {
			one.Reason, one.Detail, one.At = r.Reason, r.Detail, r.At
			open = append(open, one)
		}
	}
	if len(open) == 0 { // marked by a version that did not store reasons
		one.Reason, one.At = payment.ReviewUnknown, p.UpdatedAt
		open = append(open, one)
	}
	return open
}

func (c *Server) listReviews(ctx context.Context, _ *act, _ none, send func(ReviewLine) error) (ReviewLine, error) {
	return ReviewLine{Done: true}, c.Reviews(ctx, send)
}

func (c *Server) resolvePayment(ctx context.Context, a *act, v Verdict) (Settled, error) {
	a.about("tenant", v.Tenant)
	a.about("payment", a.id)
	a.about("verdict", v.Verdict)
	return c.ResolvePayment(ctx, a.id, v)
}
