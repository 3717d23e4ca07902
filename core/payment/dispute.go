package payment

import (
	"time"

	"patchbay/core/money"
)

// Dispute is a buyer's objection to a charge, as the provider holds it.
type Dispute struct {
	Reference string         `json:"reference"` // dp_…, du_…
	Amount    int64          `json:"amount"`
	Currency  money.Currency `json:"currency"`
	Reason    string         `json:"reason,omitempty"`
	// Status is Stripe's: warning_needs_response, warning_under_review, warning_closed,
	// needs_response, under_review, won or lost.
	Status string `json:"status"`
	// DueBy is until when evidence is accepted, zero if none is.
	DueBy          time.Time `json:"dueBy,omitzero"`
	FundsWithdrawn bool      `json:"fundsWithdrawn"`
	CreatedAt      time.Time `json:"createdAt,omitzero"`
	UpdatedAt      time.Time `json:"updatedAt,omitzero"`
}

// stages orders the statuses in time. An inquiry may become a dispute. The position of a
// status that is not listed is not known.
var stages = map[string]int{
	"warning_needs_response": 1, "warning_under_review": 2, "warning_closed": 3,
	"needs_response": 4, "under_review": 5, "won": 6, "lost": 6,
}

// Closed reports whether no further change of the dispute is expected.
func (d Dispute) Closed() bool {
	return d.Status == "won" || d.Status == "lost" || d.Status == "warning_closed"
}

// takeDispute merges a dispute from an event. It reports whether the event may be stale:
// only the provider can tell which of two statuses of the same stage is later.
func (p *Payment) takeDispute(d Dispute) (stale bool) {
	known := p.dispute(d.Reference)
	if known == nil {
		p.Disputes = append(p.Disputes, d)
		return false
	}
	was, is := stages[known.Status], stages[d.Status]
	switch {
	case known.same(d):
	case was == 0 || is == 0 || was == is:
		return true
	case is > was:
		known.become(d)
	}
	return false
}

// TakeDisputes merges all disputes as the provider holds them now.
func (p *Payment) TakeDisputes(all []Dispute) {
	for _, d := range all {
		if known := p.dispute(d.Reference); known == nil {
			p.Disputes = append(p.Disputes, d)
		} else if !known.same(d) {
			known.become(d)
		}
	}
}

func (p *Payment) dispute(reference string) *Dispute {
	for i := range p.Disputes {
		if p.Disputes[i].Reference == reference {
			return &p.Disputes[i]
		}
	}
	return nil
}

func (d *Dispute) become(news Dispute) {
	created := d.CreatedAt
	if *d = news; news.CreatedAt.IsZero() {
		d.CreatedAt = created
	}
	d.UpdatedAt = time.Time{}
}

func (d *Dispute) same(news Dispute) bool {
	return d.Amount == news.Amount && d.Currency == news.Currency && d.Reason == news.Reason && d.Status == news.Status &&
		d.DueBy.Equal(news.DueBy) && d.FundsWithdrawn == news.FundsWithdrawn
}

// Withdrawn reports whether the disputed funds have been withdrawn. moved are the amounts
// that moved on the account for the dispute: a withdrawal is negative, a return is not.
func Withdrawn(moved ...int64) bool {
	out := 0
	for _, amount := range moved {
		if amount < 0 {
			out++
		} else {
			out--
		}
	}
	return out > 0
}
