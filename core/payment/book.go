package payment

import (
	"time"

	"patchbay/core/money"
)

// BookEntry is one charge in a provider's own book, whether or not Patchbay knows of it. Two
// entries with the same MetaPayment are two charges for one payment.
type BookEntry struct {
	Provider  string            `json:"provider"`  // the configured name
	Reference string            `json:"reference"` // pi_…
	Key       string            `json:"key"`       // idempotency key of the create
	Status    Status            `json:"status"`
	Amount    int64             `json:"amount"`
	Currency  money.Currency    `json:"currency"`
	Captured  int64             `json:"captured"` // refunds not deducted
	Refunded  int64             `json:"refunded"`
	Refunds   int               `json:"refunds"` // number of refunds
	Metadata  map[string]string `json:"metadata,omitempty"`
	CreatedAt time.Time         `json:"createdAt"`
}

// BookPage is a part of a book, newest first. Next is empty at the end.
type BookPage struct {
	Entries []BookEntry
	Next    string
}
