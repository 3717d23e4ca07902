package explore

import (
	"encoding/json"
	"fmt"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// over implements domain. After all faults have been removed and hours have passed, no operation
// may be open unless it needs a review, and each payment must show what the provider's book
// contains.
func (m *monitor) over() {
	all := map[string]payment.Payment{}
	for _, r := range m.world.records() {
		var p payment.Payment
		if json.Unmarshal(r.Body, &p) != nil {
			m.world.fail("a payment cannot be read")
			continue
		}
		all[p.ID] = p
		waits := r.Queue != "" && !r.Due.IsZero()
		switch {
		case p.Open() == nil || p.NeedsReview:
		case !waits:
			m.world.fail("an operation is open, and nobody will ever look")
		default:
			m.world.fail("an operation is open, hours after all was well again")
		}
	}
	for _, sim := range m.books {
		for _, e := range sim.Book() {
			if charged(e) {
				m.shown(all, e)
			}
		}
	}
}

// calm implements domain.
func (m *monitor) calm() {
	for _, r := range m.world.records() {
		var p payment.Payment
		if json.Unmarshal(r.Body, &p) == nil {
			m.ended(p)
		}
	}
}

// ended checks that an accepted create or confirm was not given up.
func (m *monitor) ended(p payment.Payment) {
	if p.Open() != nil || p.NeedsReview {
		return
	}
	for key := range m.accepted[p.ID] {
		op := p.Under(key)
		if op == nil {
			continue
		}
		kind := fault.ParseKind(op.Kind) // an invalid or refused request stays so
		tried := (op.Outcome == payment.NotSent || op.Outcome == payment.NotExecuted) && kind != fault.Invalid && kind != fault.Refused
		if tried && (op.Action == payment.Create || op.Action == payment.Confirm) && p.ProviderReference == "" && p.Status != payment.Canceled {
			m.world.fail(fmt.Sprintf("a %s that was accepted is given up, and the payment is left %s", op.Action, p.Status))
		}
	}
}

// shown compares a charge with its payment.
func (m *monitor) shown(all map[string]payment.Payment, e payment.BookEntry) {
	p, ok := all[e.Metadata[payment.MetaPayment]]
	switch {
	case !ok:
		if m.world.backup == nil {
			m.world.fail("a charge without a payment")
		}
	case p.NeedsReview || p.Open() != nil:
	case p.ProviderReference != e.Reference:
		m.world.fail("a charge that its payment does not know of")
	case p.Status != e.Status:
		m.world.fail(fmt.Sprintf("the provider says %s, the payment %s", e.Status, p.Status))
	case p.AmountRefunded != e.Refunded:
		m.world.fail(fmt.Sprintf("the provider gave back %d, the payment says %d", e.Refunded, p.AmountRefunded))
	}
}
