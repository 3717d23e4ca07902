// Package payment is the domain of payments: what a payment is, what its
// provider says of it, and how news about it is merged. The vocabulary is
// Stripe's own.
package payment

import (
	"time"

	"patchbay/core/money"
)

// Status is where a payment stands.
type Status string

// The statuses, as Stripe names them.
const (
	RequiresPaymentMethod Status = "requires_payment_method"
	RequiresConfirmation  Status = "requires_confirmation"
	RequiresAction        Status = "requires_action"
	Processing            Status = "processing" // also: the outcome is unknown yet
	RequiresCapture       Status = "requires_capture"
	Succeeded             Status = "succeeded"
	Canceled              Status = "canceled"
)

// CaptureMethod says whether money is taken at once or only reserved.
type CaptureMethod string

// The two ways to capture.
const (
	CaptureAutomatic CaptureMethod = "automatic"
	CaptureManual    CaptureMethod = "manual"
)

// Confirmation says where a payment is confirmed: by the buyer, on a page with the
// provider's own script, or by whoever calls us.
type Confirmation string

// The two places to confirm.
const (
	// ConfirmClient rules nothing out: the provider may offer methods that send the
	// buyer away. Should the payment be confirmed here after all, that needs a
	// ReturnURL.
	ConfirmClient Confirmation = "client"
	// ConfirmServer rules out, where there is no ReturnURL, what sends the buyer away.
	ConfirmServer Confirmation = "server"
)

// Payment is one payment of a tenant, pinned to the provider that holds it.
// Amounts are minor units of Currency.
type Payment struct {
	ID            string         `json:"id"` // pay_…
	Tenant        string         `json:"tenant"`
	Amount        int64          `json:"amount"`
	Currency      money.Currency `json:"currency"`
	Status        Status         `json:"status"`
	CustomerID    string         `json:"customerId,omitempty"`
	Description   string         `json:"description,omitempty"`
	ReturnURL     string         `json:"returnUrl,omitempty"`
	CaptureMethod CaptureMethod  `json:"captureMethod"`
	// Confirmation is empty in payments that were made before there was one: those
	// were made as ConfirmServer says.
	Confirmation Confirmation      `json:"confirmation,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`

	Provider          string      `json:"provider"`                    // the configured name
	ProviderReference string      `json:"providerReference,omitempty"` // pi_…, once known
	ClientSecret      string      `json:"clientSecret,omitempty"`      // for confirming in the browser
	PublishableKey    string      `json:"publishableKey,omitempty"`    // of the account that made the intent
	NextAction        *NextAction `json:"nextAction,omitempty"`

	AmountCapturable int64    `json:"amountCapturable"`
	AmountCaptured   int64    `json:"amountCaptured"`
	AmountRefunded   int64    `json:"amountRefunded"`
	Error            *Failure `json:"error,omitempty"` // the last failure, while it matters
	NeedsReview      bool     `json:"needsReview,omitempty"`

	Operations []Operation `json:"operations"` // oldest first; the first is the create
	CreatedAt  time.Time   `json:"createdAt"`
	UpdatedAt  time.Time   `json:"updatedAt"`
	ErasedAt   time.Time   `json:"erasedAt,omitzero"` // since when nothing in it says whose it is
}

// NextAction is what the buyer must do. Type is "redirect_to_url" or
// "use_stripe_sdk".
type NextAction struct {
	Type string `json:"type"`
	URL  string `json:"url,omitempty"`
}

// Failure is why a payment or an operation failed, fit for callers.
type Failure struct {
	Code        string `json:"code"`
	DeclineCode string `json:"declineCode,omitempty"`
	Message     string `json:"message"`
}

// Action names an operation on a payment.
type Action string

// The operations that call a provider.
const (
	Create  Action = "create"
	Confirm Action = "confirm"
	Capture Action = "capture"
	Cancel  Action = "cancel"
	Refund  Action = "refund"
)

// Outcome is how a call at a provider ended.
type Outcome string

// The outcomes. Only Unknown and Calling leave it open whether money moved.
const (
	Calling     Outcome = "calling"      // durable before the call; after a crash it means Unknown
	NotSent     Outcome = "not_sent"     // nothing reached the provider
	NotExecuted Outcome = "not_executed" // the provider refused without doing anything
	Declined    Outcome = "declined"
	Done        Outcome = "succeeded" // the provider did what was asked
	Pending     Outcome = "pending"   // the provider has accepted it and will tell later
	Unknown     Outcome = "unknown"
)

// Open reports whether it is unknown what the provider did.
func (o Outcome) Open() bool { return o == Calling || o == Unknown }

// Operation is one thing asked of the provider: durable before the call, with
// the key under which it may be repeated. An open one reserves its amount.
type Operation struct {
	ID       string `json:"id"` // op_…
	Action   Action `json:"action"`
	Provider string `json:"provider"`
	// ProviderKey is the idempotency key at the provider. Tries of the same
	// thing at the same provider share it.
	ProviderKey string  `json:"providerKey"`
	Amount      int64   `json:"amount,omitempty"` // capture and refund
	Outcome     Outcome `json:"outcome"`
	// Request is what is needed to repeat the call under its key.
	Request Request `json:"request"`
	// Reference is the provider's object that the operation made: re_… for a refund.
	Reference string   `json:"reference,omitempty"`
	Error     *Failure `json:"error,omitempty"`
	// Kind is the name of the fault.Kind with which it failed, empty where it did not.
	Kind string `json:"kind,omitempty"`
	// Key and Fingerprint are the caller's idempotency key and the digest of
	// the request. Answer is the payment as first answered, kept for repeats.
	Key         string    `json:"key,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	Answer      []byte    `json:"answer,omitempty"`
	Erased      bool      `json:"erased,omitempty"`  // the answer was, with the payment
	Lookups     int       `json:"lookups,omitempty"` // times the resolver has looked
	StartedAt   time.Time `json:"startedAt"`
	EndedAt     time.Time `json:"endedAt,omitzero"`
}

// Request is the part of an operation that only the provider needs.
type Request struct {
	// Reference is the intent the call is about, empty where the call makes it.
	Reference     string `json:"reference,omitempty"`
	PaymentMethod string `json:"paymentMethod,omitempty"`
	Customer      string `json:"customer,omitempty"` // the provider's customer
	Confirm       bool   `json:"confirm,omitempty"`
	ReturnURL     string `json:"returnUrl,omitempty"`
	// PaymentMethods and Customers are those of every provider, by name, where
	// the call makes the intent: it may yet be another that makes it.
	PaymentMethods map[string]string `json:"paymentMethods,omitempty"`
	Customers      map[string]string `json:"customers,omitempty"`
}

// Creates reports whether the operation is to make the payment's intent.
func (op Operation) Creates() bool {
	return op.Request.Reference == "" && (op.Action == Create || op.Action == Confirm)
}
