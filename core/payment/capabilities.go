package payment

import (
	"slices"
	"time"
	"unicode/utf8"

	"patchbay/core/money"
)

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
	// Lag is how long the provider may take until it shows what it has done.
	Lag time.Duration
}

// MetadataLimits bounds the metadata of a provider's objects, in characters. A zero limit
// means none.
type MetadataLimits struct{ Keys, Key, Value int }

// Takes reports whether metadata fits, together with a number of other keys.
func (l MetadataLimits) Takes(metadata map[string]string, others int) bool {
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

// Counts reports whether the provider supports a currency.
func (c Capabilities) Counts(currency money.Currency) bool {
	return c.Currencies == nil || slices.Contains(c.Currencies, currency)
}

// Ends reports whether the answer to an action shows its result: the provider executes it
// before it answers.
func (c Capabilities) Ends(a Action) bool { return !slices.Contains(c.Later, a) }
