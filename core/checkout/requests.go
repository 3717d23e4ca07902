// Package checkout is where payments are made: it keeps each payment and what
// was asked of its provider, never asks twice for the same money, and settles
// what is unknown.
package checkout

import (
	"time"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// CreateRequest is what a caller wants paid. Providers are named as configured.
type CreateRequest struct {
	Amount         int64 // minor units
	Currency       money.Currency
	CustomerID     string // a user of ours (usr_…), or the provider's customer
	Metadata       map[string]string
	PaymentMethod  string            // for the first provider only
	PaymentMethods map[string]string // by provider
	Customers      map[string]string // the provider's customer, by provider
	Confirm        bool
	CaptureMethod  payment.CaptureMethod // empty means automatic
	Confirmation   payment.Confirmation  // empty means server with Confirm, client without
	ReturnURL      string
	Description    string
	// ExpiresAt is until when a payment that was accepted, and has not reached its
	// provider, is tried; zero for the usual time.
	ExpiresAt time.Time
}

// ConfirmRequest asks for the buyer's money.
type ConfirmRequest struct {
	PaymentMethod string // empty where the payment has one
	ReturnURL     string // empty where the payment has one
}

// Result is a payment after an operation. Replayed tells that the operation was
// done before, under the same key, and Payment is as it was then. Where
// Operation.Outcome is open, the work goes on and Payment says how far it is.
//
// A Result comes with an error too, wherever a payment was stored.
type Result struct {
	Payment   payment.Payment
	Operation payment.Operation
	Replayed  bool
}

// Filter selects payments. Empty fields select all.
type Filter struct {
	Reference  string // the provider's: pi_…
	CustomerID string
	Status     payment.Status
}

// Page is a part of a list, newest first. Next is empty at the end.
type Page struct {
	Payments []payment.Payment
	Next     string
}
