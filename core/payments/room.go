package payments

import (
	"slices"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

const (
	// maxBytes is the largest size of a payment's record at which a caller may begin an
	// operation. The result of the call is saved in any case, so this is far below the 16 MB
	// limit of a MongoDB document.
	maxBytes = 4 << 20
	// roomyBytes is the size from which operations that did nothing are removed.
	roomyBytes = maxBytes / 2
)

// errTooLarge refuses to begin an operation on a payment whose record is too large. Nothing
// was done.
var errTooLarge = fault.New(fault.Invalid, "payment_too_large", "what is to be kept of this payment is too much already; nothing was done")

// makeRoom removes the oldest operations from a payment that has too many, or whose record
// is too large by excess bytes. It removes those that did nothing and may be requested again,
// or whose caller's key has expired. So repeats never use up a payment. It keeps the first
// operation, which is the create, and the one that is to be tried under key.
func makeRoom(p *payment.Payment, key string, excess int) {
	for i := 1; (len(p.Operations) >= maxOps || excess > 0) && i < len(p.Operations); {
		op := &p.Operations[i]
		if key != "" && op.Key == key {
			i++
			continue
		}
		if retryable(op) && !op.Unsure || (op.DidNothing() || op.Outcome == payment.Declined) && op.Key == "" {
			excess -= bulk(op)
			p.Operations = slices.Delete(p.Operations, i, i+1)
			continue
		}
		i++
	}
}

// bulk returns about how many bytes the large fields of an operation take in the record.
func bulk(op *payment.Operation) int {
	n := len(op.Body)
	for _, byProvider := range []map[string]string{op.Request.PaymentMethods, op.Request.Customers} {
		for name, value := range byProvider {
			n += len(name) + len(value)
		}
	}
	return n
}
