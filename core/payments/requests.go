// Package payments creates payments at the providers, and confirms, captures, cancels and
// refunds them. Each operation is saved before its provider is called. No money moves twice
// for one key. An unknown outcome is looked into until it is known.
package payments

import (
	"time"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// CreateRequest is a request to create a payment. Providers are named as configured.
type CreateRequest struct {
	Amount         int64 // minor units
	Currency       money.Currency
	CustomerID     string // one of our users (usr_…), or the provider's customer
	Metadata       map[string]string
	PaymentMethod  string            // for the first provider only
	PaymentMethods map[string]string // by provider
	Customers      map[string]string // the provider's customer, by provider
	Confirm        bool
	CaptureMethod  payment.CaptureMethod // empty means automatic
	Confirmation   payment.Confirmation  // empty means server with Confirm, client without
	ReturnURL      string
	Description    string
	// ExpiresAt is until when a payment that was accepted but has not reached its provider
	// is tried; zero means the usual time.
	ExpiresAt time.Time
}

// ConfirmRequest is a request to confirm a payment.
type ConfirmRequest struct {
	PaymentMethod string // empty if the payment has one
	ReturnURL     string // empty if the payment has one
}

// Result is a payment after an operation. Replayed means that the operation was done before
// under the same key, and that Payment is as it was then. If Operation.Outcome is open, the
// work continues and Payment is the present state.
//
// A Result is returned with an error, too, if a payment was stored.
type Result struct {
	Payment   payment.Payment
	Operation payment.Operation
	Replayed  bool
}

// Filter selects payments. An empty field selects all.
type Filter struct {
	Reference  string // the provider's reference: pi_…
	CustomerID string
	Status     payment.Status
}

// Page is a part of a list, newest first. Next is empty at the end.
type Page struct {
	Payments []payment.Payment
	Next     string
}
