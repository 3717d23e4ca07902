// Package payment is the domain of payments: what a payment is, what its provider reports
// about it, and how that is merged. The vocabulary is Stripe's own.
package payment

import (
	"slices"
	"strings"
	"time"

	"patchbay/core/idempotency"
	"patchbay/core/money"
)

// Status is the state of a payment.
type Status string

// The statuses, as Stripe names them.
const (
	RequiresPaymentMethod Status = "requires_payment_method"
	RequiresConfirmation  Status = "requires_confirmation"
	RequiresAction        Status = "requires_action"
	Processing            Status = "processing" // also while the outcome is unknown
	RequiresCapture       Status = "requires_capture"
	Succeeded             Status = "succeeded"
	Canceled              Status = "canceled"
)

var statuses = []Status{RequiresPaymentMethod, RequiresConfirmation, RequiresAction, Processing, RequiresCapture, Succeeded, Canceled}

// Statuses returns all statuses.
func Statuses() []Status { return slices.Clone(statuses) }

// Known reports whether s is one of the statuses.
func (s Status) Known() bool { return slices.Contains(statuses, s) }

// CaptureMethod says whether money is captured at once or only authorised.
type CaptureMethod string

// The capture methods.
const (
	CaptureAutomatic CaptureMethod = "automatic"
	CaptureManual    CaptureMethod = "manual"
)

// Confirmation says who confirms a payment: the buyer, on a page with the provider's own
// script, or the caller of the API.
type Confirmation string

// The values of Confirmation.
const (
	// ConfirmClient excludes nothing: the provider may offer methods that redirect the
	// buyer. If the payment is confirmed through the API after all, that needs a ReturnURL.
	ConfirmClient Confirmation = "client"
	// ConfirmServer excludes methods that redirect the buyer if there is no ReturnURL.
	ConfirmServer Confirmation = "server"
)

// Payment is one payment of a tenant, bound to the provider that holds it. Amounts are in
// minor units of Currency.
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
	// Confirmation is empty in payments that are older than this field. Those were made as
	// with ConfirmServer.
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
	Error            *Failure `json:"error,omitempty"` // the last failure, while it is relevant
	NeedsReview      bool     `json:"needsReview,omitempty"`
	Reviews          []Review `json:"reviews,omitempty"` // reasons and how they were settled, oldest first
	// Account is the provider's account that holds the payment, as
	// ports.PaymentGateway.Account names it, empty if it was not known. Records of earlier
	// versions have its AccountID alone.
	Account string `json:"account,omitempty"`
	// ExpiresAt is until when a payment that was accepted but has not reached its provider
	// is tried; zero means the usual time.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// NextLookAt is when an open operation is investigated next, if that is known. It comes
	// from the record and is not stored with the payment.
	NextLookAt time.Time `json:"-"`

	// Objects are the provider's other objects of the payment, such as captures.
	Objects []Object `json:"objects,omitempty"`
	// Refunds and Disputes are as the provider holds them, no matter who made them.
	Refunds  []RefundEntry `json:"refunds,omitempty"`
	Disputes []Dispute     `json:"disputes,omitempty"`
	// AskAt is when the provider is next asked automatically, zero if nothing is open there.
	// Asked is how often it has been asked since something is open.
	AskAt time.Time `json:"askAt,omitzero"`
	Asked int       `json:"asked,omitempty"`
	// KnownSince is the time of the last restore of an older copy of the store after which
	// the payment was made or its provider was asked about it.
	KnownSince time.Time `json:"knownSince,omitzero"`
	// Found means that the payment was read from its provider after an older copy of the
	// store was restored, and that no repeat of its key has claimed it since.
	Found bool `json:"found,omitempty"`

	Operations []Operation `json:"operations"` // oldest first; the first is the create
	Past       *Past       `json:"past,omitempty"`
	CreatedAt  time.Time   `json:"createdAt"`
	UpdatedAt  time.Time   `json:"updatedAt"`
	ErasedAt   time.Time   `json:"erasedAt,omitzero"` // since then it holds no personal data
}

// AccountID returns the provider's own ID of an account: acct_1 of "acct_1 test".
func AccountID(account string) string {
	id, _, _ := strings.Cut(account, " ")
	return id
}

// NextAction is what the buyer must do. Type is "redirect_to_url" or "use_stripe_sdk".
type NextAction struct {
	Type string `json:"type"`
	URL  string `json:"url,omitempty"`
}

// Failure is why a payment or an operation failed. It may be shown to callers.
type Failure struct {
	Code        string `json:"code"`
	DeclineCode string `json:"declineCode,omitempty"`
	Message     string `json:"message"`
}

// maxText bounds, in bytes, each text of a provider's failure that is kept.
const maxText = 1000

// truncated returns the failure with its texts cut to maxWords.
func (f *Failure) truncated() *Failure {
	if f == nil || len(f.Code) <= maxText && len(f.DeclineCode) <= maxText && len(f.Message) <= maxText {
		return f
	}
	return &Failure{Code: truncate(f.Code), DeclineCode: truncate(f.DeclineCode), Message: truncate(f.Message)}
}

func truncate(words string) string {
	return strings.ToValidUTF8(words[:min(len(words), maxText)], "")
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

// The outcomes. Calling, Waiting and Unknown are open. Only with Calling and Unknown may
// money have moved. docs/protocol.md has the transitions.
const (
	Calling     Outcome = "calling"      // saved before the call; after a crash it means Unknown
	Waiting     Outcome = "waiting"      // did nothing so far; it was accepted, and is tried again in the background
	NotSent     Outcome = "not_sent"     // nothing reached the provider
	NotExecuted Outcome = "not_executed" // the provider refused without doing anything
	Declined    Outcome = "declined"
	Done        Outcome = "succeeded" // the provider did what was asked
	Pending     Outcome = "pending"   // the provider has accepted it and will report the result later
	Unknown     Outcome = "unknown"
)

// Open reports whether the operation has not ended yet.
func (o Outcome) Open() bool { return o == Calling || o == Unknown || o == Waiting }

// Operation is one request to a provider. It is saved before the call, with the key under
// which it may be repeated. A repeat by the caller is a further try of the same operation.
// An open operation reserves its amount.
type Operation struct {
	ID       string `json:"id"` // op_…
	Action   Action `json:"action"`
	Provider string `json:"provider"`
	// Account is the account that was called, as in Payment, empty if it was not known. This
	// operation is never sent to another account.
	Account string `json:"account,omitempty"`
	// ProviderKey is the idempotency key at the provider, the same for all tries. Generation
	// counts the keys: a new one is made after it was proved that the previous one had no
	// effect.
	ProviderKey string  `json:"providerKey"`
	Generation  int     `json:"generation,omitempty"`
	Amount      int64   `json:"amount,omitempty"` // capture and refund, fixed at the first try
	All         bool    `json:"all,omitempty"`    // a refund of all that was left
	Outcome     Outcome `json:"outcome"`
	// Request is what the call is composed from. Body is the call as the adapter composed it
	// for the first try. A repeat sends the same bytes, even from another version.
	Request Request `json:"request"`
	Body    string  `json:"body,omitempty"`
	// Before is the status of the payment when the operation began.
	Before Status `json:"before,omitempty"`
	// Reference is the provider's object that the operation made: re_… for a refund.
	Reference string   `json:"reference,omitempty"`
	Error     *Failure `json:"error,omitempty"`
	// Kind is the name of the fault.Kind of the failure, empty if there was none.
	Kind string `json:"kind,omitempty"`
	// Key is the caller's idempotency key, and Fingerprint the digest of the request. Then is
	// the payment as it was first answered, stored for repeats. It is nil while the payment
	// has not changed since. Answer is the same as earlier versions stored it: a payment in
	// JSON.
	Key         string `json:"key,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Then        *Then  `json:"then,omitempty"`
	Answer      []byte `json:"answer,omitempty"`
	Erased      bool   `json:"erased,omitempty"` // the answer was erased with the payment
	// Age is how much of the time for which the key is kept has passed.
	Age idempotency.Age `json:"age,omitzero"`
	// Unsure means that the outcome of some try was unknown. Then a refusal proves nothing
	// any more; only the provider's own object, or a lookup of it, does.
	Unsure bool `json:"unsure,omitempty"`
	// Absent means that a lookup has proved that the provider never executed the operation.
	Absent bool `json:"absent,omitempty"`
	// Stale means that the provider may have forgotten the key, so the call is not repeated
	// any more. It stays set even if the clock is set back.
	Stale bool `json:"stale,omitempty"`
	Tries int  `json:"tries,omitempty"` // 0 means 1
	// Turn orders the last tries of a payment's operations independently of clocks.
	Turn    int `json:"turn,omitempty"`
	Lookups int `json:"lookups,omitempty"` // lookups that the provider answered
	// LookedAt is the provider's time at the first of these lookups, SeenAt at the last.
	SeenAt     time.Time `json:"seenAt,omitzero"`
	LookedAt   time.Time `json:"lookedAt,omitzero"`
	StartedAt  time.Time `json:"startedAt"`           // the first try
	TriedAt    time.Time `json:"triedAt,omitzero"`    // the last try, if there were several
	AcceptedAt time.Time `json:"acceptedAt,omitzero"` // when the caller was answered 202; from then on the gateway tries again
	EndedAt    time.Time `json:"endedAt,omitzero"`
	// KnownSince is the time of the last restore of an older copy of the store before the
	// last try.
	KnownSince time.Time `json:"knownSince,omitzero"`
}

// LastTry returns when the provider was last called, or was about to be.
func (op *Operation) LastTry() time.Time {
	if op.TriedAt.IsZero() {
		return op.StartedAt
	}
	return op.TriedAt
}

// After reports whether the operation was last tried after another one.
func (op *Operation) After(other *Operation) bool {
	if op.Turn != other.Turn {
		return op.Turn > other.Turn
	}
	return op.LastTry().After(other.LastTry())
}

// HasAnswer reports whether the answer is stored separately from the payment.
func (op *Operation) HasAnswer() bool { return op.Then != nil || op.Answer != nil }

// ClearAnswer removes the stored answer.
func (op *Operation) ClearAnswer() { op.Then, op.Answer = nil, nil }

// Uncertain reports whether some try may have been executed without its outcome being known.
func (op *Operation) Uncertain() bool {
	return op.Unsure || op.Outcome == Unknown || op.Lookups > 0 && op.Outcome.Open()
}

// DidNothing reports whether it is proved that the operation had no effect.
func (op *Operation) DidNothing() bool { return op.Outcome == NotSent || op.Outcome == NotExecuted }

// Request is the part of an operation that only the provider needs.
type Request struct {
	// Reference is the intent that the call changes, empty if the call creates it.
	Reference     string `json:"reference,omitempty"`
	PaymentMethod string `json:"paymentMethod,omitempty"`
	Customer      string `json:"customer,omitempty"` // the provider's customer
	Confirm       bool   `json:"confirm,omitempty"`
	ReturnURL     string `json:"returnUrl,omitempty"`
	// PaymentMethods and Customers are those of every provider, by name, if the call creates
	// the intent: another provider may still be the one to create it.
	PaymentMethods map[string]string `json:"paymentMethods,omitempty"`
	Customers      map[string]string `json:"customers,omitempty"`
	// Made is an intent that already exists at a provider, but that the store does not have.
	Made *Made `json:"made,omitempty"`
}

// Made is an intent that a provider holds for a payment.
type Made struct {
	Provider  string `json:"provider"` // the configured name
	Reference string `json:"reference"`
}

// Creates reports whether the operation creates the payment's intent.
func (op Operation) Creates() bool {
	return op.Request.Reference == "" && (op.Action == Create || op.Action == Confirm)
}
