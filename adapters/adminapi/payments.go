package adminapi

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/payment"
	"patchbay/core/payments"
)

// Verdict settles a payment of a tenant.
type Verdict struct {
	ID        string `json:"-"`
	Tenant    string `json:"tenant"`
	Verdict   string `json:"verdict"`
	Reference string `json:"reference,omitempty"`
	Note      string `json:"note,omitempty"`
}

func (v *Verdict) id() *string { return &v.ID }

func (v Verdict) describe(a *act) {
	a.addObject("tenant", v.Tenant)
	a.addObject("payment", v.ID)
	a.addObject("verdict", v.Verdict)
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

// ListReviews lists the payments of all tenants that need a person.
var ListReviews = Stream[None, ReviewLine]{
	route{method: fiber.MethodGet, path: "/admin/payments/review", action: "payment.review"},
	func(ctx context.Context, s *Service, _ None, send func(ReviewLine) error) (ReviewLine, error) {
		tenants, err := s.APIKeys.Tenants(ctx)
		if err != nil {
			return ReviewLine{}, err
		}
		looked := func(n int) error { return send(ReviewLine{Looked: n}) }
		found := func(p payment.Payment) error {
			for _, r := range reviews(p) {
				if err := send(ReviewLine{Review: &r}); err != nil {
					return err
				}
			}
			return nil
		}
		for _, tenant := range tenants {
			if err := s.Payments.InReview(ctx, tenant, looked, found); err != nil {
				return ReviewLine{}, err
			}
		}
		return ReviewLine{Done: true}, nil
	},
}

// ResolvePayment settles a payment by the verdict of a person.
var ResolvePayment = Endpoint[Verdict, Settled]{
	route{method: fiber.MethodPost, path: "/admin/payments/:id/resolve", action: "payment.resolve", status: fiber.StatusOK, wrong: "the body is not a verdict"},
	func(ctx context.Context, s *Service, v Verdict) (Settled, error) {
		p, err := s.Payments.Settle(ctx, v.Tenant, v.ID, payments.SettleRequest{
			Verdict: payments.Verdict(v.Verdict), Reference: v.Reference, Note: v.Note, By: Operator,
		})
		return Settled{ID: p.ID, Status: p.Status}, err
	},
}
