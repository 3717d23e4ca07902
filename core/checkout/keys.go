package checkout

import (
	"strconv"

	"patchbay/core/idem"
	"patchbay/core/payment"
)

// What goes out to a provider for a caller's key is made of the key alone, under the
// secret of the installation: the payment's id and the provider's key are the same
// after an older copy of the store was put back, so that the provider knows the request
// again. A generation takes the place of one of which nothing can come any more.

// maxGenerations bounds how often one key can be used anew after it has expired.
const maxGenerations = 10_000

// paymentID is the id of the payment that is made under a key.
func (s *Service) paymentID(key idem.Key, generation int) string {
	if key.Empty() {
		return s.IDs.New("pay")
	}
	return "pay_" + key.Derive(s.Secret, "payment", strconv.Itoa(generation))
}

// providerKey is the idempotency key of an operation at its provider. An operation
// without a caller's key is repeated by nobody but the gateway, which has its id. An
// older one of the payment that had the same key, and has given up the caller's since,
// makes it another generation: the one after the last. Those between may be lost.
func (s *Service) providerKey(p *payment.Payment, op *payment.Operation) string {
	if op.Key == "" {
		if op.Generation == 0 {
			return op.ID
		}
		return op.ID + "_" + strconv.Itoa(op.Generation)
	}
	name := func(generation int) string {
		return "pbk_" + idem.Key{Scoped: op.Key}.Derive(s.Secret, "operation", p.ID, string(op.Action), op.Provider, strconv.Itoa(generation))
	}
	lost := 0
	if s.knownBefore(p, *op) {
		lost = s.lastRestore().uses()
	}
	next := op.Generation
	for g := next; g <= next+lost; g++ {
		if taken(p, op, name(g)) {
			next = g + 1
		}
	}
	op.Generation = next
	return name(next)
}

func taken(p *payment.Payment, but *payment.Operation, name string) bool {
	for i := range p.Operations {
		if op := &p.Operations[i]; op.ID != but.ID && op.ProviderKey == name {
			return true
		}
	}
	return false
}
