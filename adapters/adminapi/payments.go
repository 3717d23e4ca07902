package adminapi

import (
	"bufio"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/apikeys"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

// Verdict settles a payment of a tenant.
type Verdict struct {
	Tenant    string `json:"tenant"`
	Verdict   string `json:"verdict"`
	Reference string `json:"reference,omitempty"`
	Note      string `json:"note,omitempty"`
}

// Request returns the verdict as a request to the use case.
func (v Verdict) Request() payments.SettleRequest {
	return payments.SettleRequest{Verdict: payments.Verdict(v.Verdict), Reference: v.Reference, Note: v.Note, By: Operator}
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

// InReview reports the payments of all tenants that need a person.
func InReview(ctx context.Context, keys *apikeys.Service, payments *payments.Service, tell func(ReviewLine) error) error {
	tenants, err := keys.Tenants(ctx)
	if err != nil {
		return err
	}
	looked := func(n int) error { return tell(ReviewLine{Looked: n}) }
	found := func(p payment.Payment) error {
		for _, r := range reviews(p) {
			if err := tell(ReviewLine{Review: &r}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, tenant := range tenants {
		if err := payments.InReview(ctx, tenant, looked, found); err != nil {
			return err
		}
	}
	return nil
}

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

// listReviews answers with a line for each review for as long as the list takes. It ends
// when the client stops reading, or when the listener is shut down.
func (c *Server) listReviews(f *fiber.Ctx, a *act) error {
	a.later = true
	conn := f.Context().Conn()
	f.Set(fiber.HeaderContentType, "application/x-ndjson")
	f.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		lines := &lines{conn: conn, w: w, to: json.NewEncoder(w)}
		last := ReviewLine{Done: true}
		err := InReview(c.running, c.APIKeys, c.Payments, func(l ReviewLine) error { return lines.send(l) })
		if err != nil {
			last = ReviewLine{Error: reason(err)}
		}
		a.end(err)
		_ = lines.send(last) // a client that does not receive it knows that the list is not complete
	})
	return nil
}

func (c *Server) resolvePayment(f *fiber.Ctx, a *act) error {
	var v Verdict
	if err := decode(f, &v, "the body is not a verdict"); err != nil {
		return err
	}
	id := strings.Clone(f.Params("id"))
	a.about("tenant", v.Tenant)
	a.about("payment", id)
	a.about("verdict", v.Verdict)
	p, err := c.Payments.Settle(context.Background(), v.Tenant, id, v.Request())
	if err != nil {
		return err
	}
	return f.JSON(Settled{ID: p.ID, Status: p.Status})
}
