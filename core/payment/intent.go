package payment

import (
	"slices"
	"time"
	"unicode/utf8"

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

// RefundedToBuyer returns how much of the captured amount of a charge was refunded to the buyer.
// Stripe also counts as refunded what a partial capture or a cancel has released: it makes a
// refund of its own for that.
func RefundedToBuyer(amount, captured, refunded int64) int64 {
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

// Capabilities says what a provider supports beyond creating, confirming, canceling and
// retrieving. A payment that needs more is not sent to it; any other request that needs
// more is refused with Unsupported.
type Capabilities struct {
	ManualCapture  bool // CaptureMethod manual, Capture
	PartialCapture bool
	Refunds        bool
	PartialRefunds bool
	// Currencies are the supported currencies; nil means all.
	Currencies []money.Currency
	// InBrowser means that a page of the caller can confirm a payment with its ClientSecret.
	InBrowser bool
	// Redirect means that the buyer can approve a payment on a page of the provider, and is
	// then sent to the ReturnURL.
	Redirect bool
	// Later are the actions that the provider may accept before it executes them: the status
	// is Processing, or the refund is pending, until an event or Retrieve shows the result.
	Later    []Action
	Keys     Keys
	Lookup   Lookup
	Metadata MetadataLimits
}

// Keys says what a provider does with idempotency keys.
type Keys struct {
	// Kept is for how long a key is remembered at least. If it is zero, a repeat under the
	// same key may be executed again, so a call whose outcome is unknown is never repeated.
	Kept time.Duration
	// ReplaysErrors means that a repeat gets the error that the first request got, even if
	// the first request was executed.
	ReplaysErrors bool
}

// Lookup says how an intent is found whose reference is not known.
type Lookup struct {
	List      bool // all intents are listed by their time of creation
	Operation bool // ListRequest.Operation selects the intents that were made under a key
	// Lag is how long the provider may take until a list shows what it has done. What is
	// retrieved by its reference is shown as it is.
	Lag time.Duration
}

// MetadataLimits bounds the metadata of a provider's objects, in characters. A zero limit
// means none.
type MetadataLimits struct{ Keys, Key, Value int }

// Allows reports whether metadata fits, together with a number of other keys.
func (l MetadataLimits) Allows(metadata map[string]string, others int) bool {
	if l.Keys > 0 && len(metadata)+others > l.Keys {
		return false
	}
	for key, value := range metadata {
		if l.Key > 0 && utf8.RuneCountInString(key) > l.Key || l.Value > 0 && utf8.RuneCountInString(value) > l.Value {
			return false
		}
	}
	return true
}

// SupportsCurrency reports whether the provider supports a currency.
func (c Capabilities) SupportsCurrency(currency money.Currency) bool {
	return c.Currencies == nil || slices.Contains(c.Currencies, currency)
}

// Synchronous reports whether the answer to an action shows its result: the provider executes it
// before it answers.
func (c Capabilities) Synchronous(a Action) bool { return !slices.Contains(c.Later, a) }
