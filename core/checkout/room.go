package checkout

import (
	"slices"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

const (
	// maxBytes is how large the record of a payment may be when a caller has something
	// begun on it. What comes of the call is kept at any rate, so this is far below the
	// 16 MB at which a document of MongoDB ends.
	maxBytes = 4 << 20
	// roomyBytes is from when on what did nothing makes room.
	roomyBytes = maxBytes / 2
)

// errTooLarge refuses to begin anything on a payment whose record takes no more. Nothing
// was done.
var errTooLarge = fault.New(fault.Invalid, "payment_too_large", "what is to be kept of this payment is too much already; nothing was done")

// makeRoom takes out of a payment that is full, or whose record has bytes in excess, the
// oldest operations that did nothing and may be asked for again, or whose caller's key has
// expired. So nothing that is repeated uses a payment up. The first stays: it is the
// create; and so does what is to be tried under key.
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

// bulk is about how many bytes an operation has in the record, of what may be large.
func bulk(op *payment.Operation) int {
	n := len(op.Body)
	for _, byProvider := range []map[string]string{op.Request.PaymentMethods, op.Request.Customers} {
		for name, value := range byProvider {
			n += len(name) + len(value)
		}
	}
	return n
}
