package explore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/ports"
)

// monitor compares the responses to callers and the states of payments with the providers' books.
type monitor struct {
	world *world
	books []*stripesim.Sim // of all accounts that have existed

	keys      map[string]string         // payment → the key with which it was created
	kept      map[string]payment.Status // payment → the final status with which it was saved
	responses                           // what callers know
	before    responses                 // at the last backup
}

// responses is what callers have been answered.
type responses struct {
	final    map[string]string          // key → its final result
	canceled map[string]bool            // payments
	accepted map[string]map[string]bool // payment → keys that were answered 202
	refunds  map[string]map[int64]bool  // payment → requested refund amounts, each with its own key
}

func (o responses) copy() responses {
	c := responses{maps.Clone(o.final), maps.Clone(o.canceled), map[string]map[string]bool{}, o.refunds}
	for id, keys := range o.accepted {
		c.accepted[id] = maps.Clone(keys)
	}
	return c
}

func newMonitor(w *world, sims []*stripesim.Sim) *monitor {
	return &monitor{
		world: w, books: sims, keys: map[string]string{}, kept: map[string]payment.Status{},
		responses: responses{map[string]string{}, map[string]bool{}, map[string]map[string]bool{}, map[string]map[int64]bool{}},
	}
}

// remember implements domain.
func (m *monitor) remember() { m.before = m.copy() }

// forget implements domain. After a restore the gateway does not know the responses since the
// backup, so they are not checked.
func (m *monitor) forget() {
	m.responses = m.before.copy()
	clear(m.kept)
}

// saved implements domain.
func (m *monitor) saved(r ports.Record) {
	var p struct {
		Status payment.Status `json:"status"`
	}
	if json.Unmarshal(r.Body, &p) != nil {
		return
	}
	if r.Idem != "" {
		m.keys[r.ID] = r.Idem
	}
	switch before := m.kept[r.ID]; {
	case before != "" && before != p.Status:
		m.world.fail(fmt.Sprintf("a payment that was %s became %s", before, p.Status))
	case p.Status.Terminal():
		m.kept[r.ID] = p.Status
	}
}

// answered records the response to a caller.
func (m *monitor) answered(key, id string, creates bool, a answer) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	if a.open && a.kind == "" {
		if m.accepted[id] == nil {
			m.accepted[id] = map[string]bool{}
		}
		m.accepted[id][key] = true
	}
	if m.world.ending && creates && a.kind == fault.Conflict.String() && a.code != idempotency.CodeInFlight {
		m.world.fail("a late repeat of a create is refused")
	}
	if a.code == "too_many_operations" {
		m.world.fail("repeats have used up a payment")
	}
	final := a.final()
	if final == "" {
		return
	}
	if final == string(payment.Succeeded) && !m.paid(id) {
		m.world.fail("a payment is answered succeeded, and no provider has the money")
	}
	if final == string(payment.Canceled) {
		m.canceled[id] = true
		m.book()
	}
	switch before, ok := m.final[key]; {
	case !ok:
		m.final[key] = final
	case before != final:
		m.world.fail(fmt.Sprintf("what was answered %s is answered %s under the same key", before, final))
	}
}

// answer is a response to a caller.
type answer struct {
	kind   string // of the error
	code   string
	status payment.Status
	open   bool // 202
}

const acceptedSoFar = "accepted, "

func (a answer) String() string {
	switch {
	case a.kind != "":
		return a.kind + " " + a.code
	case a.open:
		return acceptedSoFar + string(a.status)
	}
	return string(a.status)
}

// final returns the final result for the caller, or "" if the response is not final.
func (a answer) final() string {
	switch {
	case a.kind == fault.Declined.String():
		return a.kind
	case a.kind == "" && !a.open && a.status.Terminal():
		return string(a.status)
	}
	return ""
}

// touched implements domain.
func (m *monitor) touched(answer []byte) {
	if bytes.Contains(answer, []byte("idempotency_error")) {
		m.world.fail("a key was used for another request than before")
	}
	m.book()
}

// charged reports whether an intent holds the buyer's money or an authorisation.
func charged(e payment.BookEntry) bool {
	return e.Status == payment.Succeeded || e.Status == payment.RequiresCapture
}

// paid reports whether a provider has received the money of a payment.
func (m *monitor) paid(id string) bool {
	for _, sim := range m.books {
		for _, e := range sim.Book() {
			if e.Metadata[payment.MetaPayment] == id && e.Status == payment.Succeeded {
				return true
			}
		}
	}
	return false
}

// book checks the invariants of the providers' books. world.mu is held.
func (m *monitor) book() {
	byKey := map[string]int{}
	for _, sim := range m.books {
		for _, e := range sim.Book() {
			id := e.Metadata[payment.MetaPayment]
			if charged(e) {
				key := id
				if k := m.keys[id]; k != "" {
					key = k
				}
				if byKey[key]++; byKey[key] > 1 {
					m.world.fail("a second charge for one create")
				}
				if m.canceled[id] {
					m.world.fail("a charge of a payment that was answered canceled")
				}
			}
			if e.Refunded > 0 && !sums(m.refunds[id], e.Refunded) {
				m.world.fail(fmt.Sprintf("%d were given back of a payment: not what was asked, each once", e.Refunded))
			}
		}
	}
}

// sums reports whether an amount is the sum of some of these amounts, each used at most once.
func sums(of map[int64]bool, amount int64) bool {
	all := slices.Sorted(maps.Keys(of))
	for set := range 1 << len(all) {
		var sum int64
		for i, one := range all {
			if set>>i&1 == 1 {
				sum += one
			}
		}
		if sum == amount {
			return true
		}
	}
	return false
}
