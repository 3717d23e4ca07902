// Package payment is the domain of payments: what a payment is, what its
// provider says of it, and how news about it is merged. The vocabulary is
// Stripe's own.
package payment

import (
	"strings"
	"time"

	"patchbay/core/idem"
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

// Known reports whether s is one of the statuses.
func (s Status) Known() bool {
	switch s {
	case RequiresPaymentMethod, RequiresConfirmation, RequiresAction, Processing, RequiresCapture, Succeeded, Canceled:
		return true
	}
	return false
}

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
	Reviews          []Review `json:"reviews,omitempty"` // why, oldest first, and how it was settled
	// Account is the provider's own id of the account that holds the payment, empty
	// where it was not known.
	Account string `json:"account,omitempty"`
	// ExpiresAt is until when a payment that was accepted, and has not reached its
	// provider, is tried; zero for the usual time.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// NextLookAt is when an open operation is looked into next, where that is known. It
	// is of the record, and not stored with the payment.
	NextLookAt time.Time `json:"-"`

	// Refunds and Disputes are as the provider holds them, whoever made them.
	Refunds  []RefundEntry `json:"refunds,omitempty"`
	Disputes []Dispute     `json:"disputes,omitempty"`
	// AskAt is when the provider is asked again by itself, zero where nothing is to be
	// learned. Asked is how often it was since that is so.
	AskAt time.Time `json:"askAt,omitzero"`
	Asked int       `json:"asked,omitempty"`
	// KnownSince is the last time that an older copy of the store was put back, where the
	// provider was asked about the payment since, or the payment was made.
	KnownSince time.Time `json:"knownSince,omitzero"`
	// Found tells that the payment was read from its provider after an older copy of the
	// store was put back, and that nobody has asked for it under its key since.
	Found bool `json:"found,omitempty"`

	Operations []Operation `json:"operations"` // oldest first; the first is the create
	Past       *Past       `json:"past,omitempty"`
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

// maxWords is how many bytes of a provider's words on a failure are kept.
const maxWords = 1000

// brief is the failure with no more words than are kept.
func (f *Failure) brief() *Failure {
	if f == nil || len(f.Code) <= maxWords && len(f.DeclineCode) <= maxWords && len(f.Message) <= maxWords {
		return f
	}
	return &Failure{Code: first(f.Code), DeclineCode: first(f.DeclineCode), Message: first(f.Message)}
}

func first(words string) string {
	return strings.ToValidUTF8(words[:min(len(words), maxWords)], "")
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

// The outcomes. Calling, Waiting and Unknown are open; only Calling and Unknown leave
// it open whether money moved. docs/protocol.md has the transitions.
const (
	Calling     Outcome = "calling"      // durable before the call; after a crash it means Unknown
	Waiting     Outcome = "waiting"      // did nothing so far; it was accepted, and is tried again in the background
	NotSent     Outcome = "not_sent"     // nothing reached the provider
	NotExecuted Outcome = "not_executed" // the provider refused without doing anything
	Declined    Outcome = "declined"
	Done        Outcome = "succeeded" // the provider did what was asked
	Pending     Outcome = "pending"   // the provider has accepted it and will tell later
	Unknown     Outcome = "unknown"
)

// Open reports whether the operation has not ended yet.
func (o Outcome) Open() bool { return o == Calling || o == Unknown || o == Waiting }

// Operation is one thing asked of a provider: durable before the call, with the key
// under which it may be repeated. A repeat by the caller is a further try of the same
// operation. An open one reserves its amount.
type Operation struct {
	ID       string `json:"id"` // op_…
	Action   Action `json:"action"`
	Provider string `json:"provider"`
	// Account is the provider's own id of the account that was asked, empty where it
	// was not known. No other account is ever asked for this operation.
	Account string `json:"account,omitempty"`
	// ProviderKey is the idempotency key at the provider, the same for all tries.
	// Generation is how often it was made anew: after it was proved that nothing had
	// come of the one before.
	ProviderKey string  `json:"providerKey"`
	Generation  int     `json:"generation,omitempty"`
	Amount      int64   `json:"amount,omitempty"` // capture and refund, fixed at the first try
	All         bool    `json:"all,omitempty"`    // a refund of all that was left
	Outcome     Outcome `json:"outcome"`
	// Request is what the call is made of. Body is the call as the adapter composed it
	// at the first try: a repeat is the same to the byte, whichever version sends it.
	Request Request `json:"request"`
	Body    string  `json:"body,omitempty"`
	// Before is where the payment stood when the operation began.
	Before Status `json:"before,omitempty"`
	// Reference is the provider's object that the operation made: re_… for a refund.
	Reference string   `json:"reference,omitempty"`
	Error     *Failure `json:"error,omitempty"`
	// Kind is the name of the fault.Kind with which it failed, empty where it did not.
	Kind string `json:"kind,omitempty"`
	// Key and Fingerprint are the caller's idempotency key and the digest of
	// the request. Then is the payment as first answered, kept for repeats; nil while
	// that is the payment as it stands. Answer is the same as earlier versions kept it,
	// which is a payment in JSON.
	Key         string `json:"key,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Then        *Then  `json:"then,omitempty"`
	Answer      []byte `json:"answer,omitempty"`
	Erased      bool   `json:"erased,omitempty"` // the answer was, with the payment
	// Age is how much of the time is over for which the key is kept.
	Age idem.Age `json:"age,omitzero"`
	// Unsure tells that the outcome of some try was unknown. From then on a refusal
	// proves nothing: only the provider's own object, or a look at what it holds, does.
	Unsure bool `json:"unsure,omitempty"`
	// Absent tells that a look has proved that the provider never did it.
	Absent bool `json:"absent,omitempty"`
	// Stale tells that the provider may have forgotten the key, so that the call is
	// not repeated any more. It stays, also where the clock is set back.
	Stale bool `json:"stale,omitempty"`
	Tries int  `json:"tries,omitempty"` // 0 means 1
	// Turn orders the last tries of a payment's operations, whatever the clocks said.
	Turn    int `json:"turn,omitempty"`
	Lookups int `json:"lookups,omitempty"` // looks that could tell
	// LookedAt is the provider's clock at the first of them, SeenAt at the last.
	SeenAt     time.Time `json:"seenAt,omitzero"`
	LookedAt   time.Time `json:"lookedAt,omitzero"`
	StartedAt  time.Time `json:"startedAt"`           // the first try
	TriedAt    time.Time `json:"triedAt,omitzero"`    // the last one, where there were several
	AcceptedAt time.Time `json:"acceptedAt,omitzero"` // answered 202: it is not the caller who tries again
	EndedAt    time.Time `json:"endedAt,omitzero"`
	// KnownSince is the last time that an older copy of the store was put back before the
	// last try.
	KnownSince time.Time `json:"knownSince,omitzero"`
}

// LastTry is when the provider was last asked, or was about to be.
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

// Remembered reports whether what was answered is kept beside the payment.
func (op *Operation) Remembered() bool { return op.Then != nil || op.Answer != nil }

// Unremember drops what was answered.
func (op *Operation) Unremember() { op.Then, op.Answer = nil, nil }

// Uncertain reports whether some try may have been executed without anybody knowing.
func (op *Operation) Uncertain() bool {
	return op.Unsure || op.Outcome == Unknown || op.Lookups > 0 && op.Outcome.Open()
}

// DidNothing reports whether it is proved that the operation had no effect.
func (op *Operation) DidNothing() bool { return op.Outcome == NotSent || op.Outcome == NotExecuted }

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
	// Made is the intent that is there already, where the store does not know of it.
	Made *Made `json:"made,omitempty"`
}

// Made is an intent that a provider holds for a payment.
type Made struct {
	Provider  string `json:"provider"` // the configured name
	Reference string `json:"reference"`
}

// Creates reports whether the operation is to make the payment's intent.
func (op Operation) Creates() bool {
	return op.Request.Reference == "" && (op.Action == Create || op.Action == Confirm)
}
