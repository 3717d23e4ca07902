package payment

import (
	"time"

	"patchbay/core/money"
)

// Metadata keys that Patchbay adds to what it sends to a provider, so that an
// object found there later can be matched. Callers may use MaxMetadata others.
const (
	MetaPayment   = "patchbay_payment"   // Payment.ID
	MetaOperation = "patchbay_operation" // Operation.ProviderKey of the create, or of the refund
	MetaTenant    = "patchbay_tenant"    // Payment.Tenant
	MetaUser      = "patchbay_user"      // Payment.CustomerID, where that is a user of ours
	MaxMetadata   = 45
)

// Intent is a payment as its provider holds it.
type Intent struct {
	Reference        string // pi_…
	Status           Status
	Amount           int64
	Currency         money.Currency
	AmountCapturable int64
	AmountCaptured   int64 // what was taken from the buyer, refunds not deducted
	AmountRefunded   int64
	ClientSecret     string
	PublishableKey   string
	NextAction       *NextAction
	Failure          *Failure // the last payment error
	Metadata         map[string]string
	CreatedAt        time.Time
	Disputed         bool `json:",omitempty"` // a buyer has objected to the charge

	// Of an event only. Key is the idempotency key of the request that it is the effect
	// of, empty where there is none or it was not told. Refunds and Disputes are those
	// that it speaks of.
	Key      string           `json:"-"`
	Refunds  []ProviderRefund `json:"-"`
	Disputes []Dispute        `json:"-"`
}

// GivenBack is what the buyer got back of what was captured of a charge. Stripe
// counts as refunded what a partial capture, or giving up, has released: it makes
// a refund of its own for that.
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
	// Total is what was given back of the charge just then, this refund included; 0
	// where it was not told.
	Total int64 `json:",omitempty"`
}

// Change is a request that changes something at a provider: a CreateRequest,
// ConfirmRequest, CaptureRequest, CancelRequest or RefundRequest.
//
// The Body of each is the request as PaymentGateway.Compose worded it when it was
// first sent. A repeat brings it along, so that it says the same to the letter
// though the adapter may word such a request otherwise by now. Where it is empty,
// the adapter composes.
type Change interface{ change() }

func (CreateRequest) change()  {}
func (ConfirmRequest) change() {}
func (CaptureRequest) change() {}
func (CancelRequest) change()  {}
func (RefundRequest) change()  {}

// CreateRequest asks a provider for an intent. Key is never empty. The buyer may be
// sent away unless MayRedirect says no: then the intent must be made so.
type CreateRequest struct {
	Key           string
	Body          string `json:"-"`
	Amount        int64
	Currency      money.Currency
	Customer      string // the provider's customer id
	PaymentMethod string // pm_…
	Description   string
	ReturnURL     string
	Confirm       bool
	CaptureMethod CaptureMethod
	Confirmation  Confirmation `json:",omitempty"` // empty for a payment from before there was one
	Metadata      map[string]string
}

// MayRedirect reports whether the buyer may be sent away to pay: there is an address
// to come back to, or it is the buyer who confirms, on a page that gives one.
func (r CreateRequest) MayRedirect() bool {
	return r.ReturnURL != "" || r.Confirmation == ConfirmClient
}

// ConfirmRequest asks for the buyer's money. PaymentMethod may be empty where
// the intent has one already.
type ConfirmRequest struct {
	Key, Reference, PaymentMethod, ReturnURL string

	Body string `json:"-"`
}

// CaptureRequest takes what was authorised. Amount 0 means all of it. Currency is the
// intent's: without it, nobody can tell how the provider counts.
type CaptureRequest struct {
	Key, Reference string
	Amount         int64
	Currency       money.Currency `json:"-"` // the intent's, and so no part of what is asked
	Body           string         `json:"-"`
}

// CancelRequest gives up an intent that has not succeeded.
type CancelRequest struct {
	Key, Reference string
	Body           string `json:"-"`
}

// RefundRequest gives money back. Amount is always set, and Currency the intent's.
type RefundRequest struct {
	Key, Reference string
	Amount         int64
	Currency       money.Currency `json:"-"` // as in CaptureRequest
	Metadata       map[string]string
	Body           string `json:"-"`
}

// ListRequest selects the provider's intents by when they were made, both ends
// included, newest first. Without To there is no end. Limit is 1 to 100.
type ListRequest struct {
	From, To time.Time
	Cursor   string
	Limit    int
}

// IntentPage is a part of a list. Next is empty at the end. Now is when the
// provider's own clock says that it answered, zero where it does not tell.
type IntentPage struct {
	Intents []Intent
	Next    string
	Now     time.Time
}

// Capabilities says what a provider can do beyond creating, confirming,
// cancelling and retrieving. What is not declared is refused with Unsupported.
type Capabilities struct {
	ManualCapture  bool // CaptureMethod manual, Capture
	PartialCapture bool
	Refunds        bool
	PartialRefunds bool
	List           bool
}
