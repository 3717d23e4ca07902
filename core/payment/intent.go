package payment

import (
	"time"

	"patchbay/core/money"
)

// Metadata keys that Patchbay adds to its requests to a provider, so that an object found
// there later can be matched. Callers may use MaxMetadata others.
const (
	MetaPayment   = "patchbay_payment"   // Payment.ID
	MetaOperation = "patchbay_operation" // Operation.ProviderKey of the create, or of the refund
	MetaTenant    = "patchbay_tenant"    // Payment.Tenant
	MetaUser      = "patchbay_user"      // Payment.CustomerID, if it is one of our users
	MaxMetadata   = 45
)

// Intent is a payment as its provider holds it.
type Intent struct {
	Reference        string // pi_…
	Status           Status
	Amount           int64
	Currency         money.Currency
	AmountCapturable int64
	AmountCaptured   int64 // what was captured, refunds not deducted
	AmountRefunded   int64
	ClientSecret     string
	PublishableKey   string
	NextAction       *NextAction
	Failure          *Failure // the last payment error
	Metadata         map[string]string
	CreatedAt        time.Time
	Disputed         bool `json:",omitempty"` // a buyer has disputed the charge
	// Objects are the other objects of the payment whose events do not name the intent.
	Objects []Object `json:",omitempty"`

	// The following are set for an event only. Key is the idempotency key of the request that
	// caused it, empty if there is none or it is not known. Object is the reference of the
	// object that the event is about, if Reference is not known. Refunds and Disputes are
	// those that the event is about.
	Key      string           `json:"-"`
	Object   string           `json:"-"`
	Refunds  []ProviderRefund `json:"-"`
	Disputes []Dispute        `json:"-"`
}

// Object is an object that a provider has made for a payment besides the intent, such as a
// capture. Kind is the provider's own word for it.
type Object struct {
	Kind      string `json:"kind"`
	Reference string `json:"reference"`
}

// GivenBack returns how much of the captured amount of a charge was refunded to the buyer.
// Stripe also counts as refunded what a partial capture or a cancel has released: it makes a
// refund of its own for that.
func GivenBack(amount, captured, refunded int64) int64 {
	released := amount - captured
	switch {
	case captured == 0:
		return 0
	case refunded < released:
		return refunded
	}
	return refunded - released
}

// ProviderRefund is a refund as the provider holds it. Status is Stripe's:
// pending, requires_action, succeeded, failed or canceled.
type ProviderRefund struct {
	Reference string // re_…, pyr_…
	Intent    string // pi_…
	Amount    int64
	Currency  money.Currency
	Status    string
	Reason    string `json:",omitempty"`
	Failure   string `json:",omitempty"` // the provider's code for why it failed
	Metadata  map[string]string
	CreatedAt time.Time
	// Total is what was refunded of the charge at that time, this refund included; 0 if it
	// is not known.
	Total int64 `json:",omitempty"`
}

// Change is a request that changes something at a provider: a CreateRequest,
// ConfirmRequest, CaptureRequest, CancelRequest or RefundRequest.
//
// Body is the request as PaymentGateway.Compose composed it when it was first sent. A repeat
// sends the same Body, so that it is identical even if the adapter would compose it
// differently now. If Body is empty, the adapter composes the request.
type Change interface{ change() }

func (CreateRequest) change()  {}
func (ConfirmRequest) change() {}
func (CaptureRequest) change() {}
func (CancelRequest) change()  {}
func (RefundRequest) change()  {}

// CreateRequest asks a provider for an intent. Key is never empty. If MayRedirect is false,
// the intent must be created so that it cannot redirect the buyer.
type CreateRequest struct {
	Key           string
	Body          string `json:"-"`
	Amount        int64
	Currency      money.Currency
	Customer      string // the provider's customer ID
	PaymentMethod string // pm_…
	Description   string
	ReturnURL     string
	Confirm       bool
	CaptureMethod CaptureMethod
	Confirmation  Confirmation `json:",omitempty"` // empty for a payment that is older than this field
	Metadata      map[string]string
}

// MayRedirect reports whether the buyer may be redirected to pay: there is a return URL, or
// the buyer confirms on a page that sets one.
func (r CreateRequest) MayRedirect() bool {
	return r.ReturnURL != "" || r.Confirmation == ConfirmClient
}

// ConfirmRequest confirms an intent. PaymentMethod may be empty if the intent has one.
type ConfirmRequest struct {
	Key, Reference, PaymentMethod, ReturnURL string

	Body string `json:"-"`
}

// CaptureRequest captures an authorised amount. Amount 0 means all of it. Currency is the
// intent's: without it, it is not known in which units the provider counts.
type CaptureRequest struct {
	Key, Reference string
	Amount         int64
	Currency       money.Currency `json:"-"` // the intent's, so it is not part of the request itself
	Body           string         `json:"-"`
}

// CancelRequest cancels an intent that has not succeeded.
type CancelRequest struct {
	Key, Reference string
	Body           string `json:"-"`
}

// RefundRequest refunds an intent. Amount is always set, and Currency is the intent's.
type RefundRequest struct {
	Key, Reference string
	Amount         int64
	Currency       money.Currency `json:"-"` // as in CaptureRequest
	Metadata       map[string]string
	Body           string `json:"-"`
}

// ListRequest selects the provider's intents by creation time, From and To included, newest
// first. A zero To means no end. Limit is 1 to 100. If Operation is set, it selects instead
// the intents whose metadata has it as MetaOperation.
type ListRequest struct {
	From, To  time.Time
	Operation string
	Cursor    string
	Limit     int
}

// IntentPage is a part of a list. Next is empty at the end. Now is the time of the answer by
// the provider's clock, zero if it is not known.
type IntentPage struct {
	Intents []Intent
	Next    string
	Now     time.Time
}
