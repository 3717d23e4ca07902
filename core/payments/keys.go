package payments

import (
	"strconv"

	"patchbay/core/idempotency"
	"patchbay/core/payment"
)

// The payment's ID and the provider's key are derived from the caller's key alone, with the
// secret of the installation. So they are the same after an older copy of the store was
// restored, and the provider recognizes the request. A new generation replaces one that can
// have no further effect.

// maxGenerations bounds how often one key can be used again after it has expired.
const maxGenerations = 10_000

// paymentID returns the ID of the payment that is made under a key.
func (s *Service) paymentID(key idempotency.Key, generation int) string {
	if key.Empty() {
		return s.IDs.New("pay")
	}
	return "pay_" + key.Derive(s.Secret, "payment", strconv.Itoa(generation))
}

// providerKey returns the idempotency key of an operation at its provider. An operation
// without a caller's key is repeated only by the gateway, so its key is made of its ID. If
// older operations of the payment have used the same provider key, and have lost the
// caller's key by expiry, the generation is the one after the last of them. After a restore,
// generations in between may be missing.
func (s *Service) providerKey(p *payment.Payment, op *payment.Operation) string {
	if op.Key == "" {
		if op.Generation == 0 {
			return op.ID
		}
		return op.ID + "_" + strconv.Itoa(op.Generation)
	}
	name := func(generation int) string {
		return "pbk_" + idempotency.Key{Scoped: op.Key}.Derive(s.Secret, "operation", p.ID, string(op.Action), op.Provider, strconv.Itoa(generation))
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
