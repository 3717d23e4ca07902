package payment

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"patchbay/core/fault"
)

// Limits of the fields, in characters. Source: docs.stripe.com/api/metadata.
const (
	MaxMetadataKey   = 40
	MaxMetadataValue = 500
	MaxDescription   = 1000
	MaxURL           = 2048
	maxToken         = 255
	maxProviders     = 32 // in PaymentMethods, and in Customers
)

// Fields are the free-form fields of a payment that a caller writes.
type Fields struct {
	CustomerID    string
	Description   string
	ReturnURL     string
	CaptureMethod CaptureMethod // may be empty
	Confirmation  Confirmation  // may be empty
	Confirm       bool          // confirmed at once, so by the server
	Metadata      map[string]string
	// PaymentMethod, and the values by provider, are the provider's tokens.
	PaymentMethod  string
	PaymentMethods map[string]string
	Customers      map[string]string
}

// Check returns Invalid, with the field, unless all fields may be stored and sent to a
// provider. Card numbers are never accepted.
func (f Fields) Check() error {
	switch {
	case utf8.RuneCountInString(f.Description) > MaxDescription || HasCardNumber(f.Description):
		return fault.InvalidParam("description", "invalid_description",
			"description takes at most 1000 characters and no card number")
	case !token(f.CustomerID):
		return fault.InvalidParam("customerId", "invalid_customer", "customerId takes at most 255 characters")
	case !token(f.PaymentMethod):
		return fault.InvalidParam("paymentMethod", "invalid_payment_method", "paymentMethod takes a provider's token, never a card number")
	case len(f.PaymentMethods) > maxProviders || len(f.Customers) > maxProviders:
		return fault.InvalidParam("paymentMethods", "too_many_providers", "paymentMethods and customers take at most 32 providers each")
	case !tokens(f.PaymentMethods):
		return fault.InvalidParam("paymentMethods", "invalid_payment_method", "paymentMethods take a provider's token each, never a card number")
	case !tokens(f.Customers):
		return fault.InvalidParam("customers", "invalid_customer", "customers take at most 255 characters each")
	case f.CaptureMethod != "" && f.CaptureMethod != CaptureAutomatic && f.CaptureMethod != CaptureManual:
		return fault.InvalidParam("captureMethod", "invalid_capture_method", "captureMethod must be automatic or manual")
	case f.Confirmation != "" && f.Confirmation != ConfirmClient && f.Confirmation != ConfirmServer:
		return fault.InvalidParam("confirmation", "invalid_confirmation", "confirmation must be client or server")
	case f.Confirmation == ConfirmClient && f.Confirm:
		return fault.InvalidParam("confirmation", "invalid_confirmation", "what is confirmed at once is not confirmed by the client")
	}
	if err := checkURL(f.ReturnURL); err != nil {
		return err
	}
	return checkMetadata(f.Metadata)
}

// token reports whether s may be a provider's token.
func token(s string) bool { return len(s) <= maxToken && !HasCardNumber(s) }

func tokens(byProvider map[string]string) bool {
	for name, s := range byProvider {
		if !token(name) || !token(s) {
			return false
		}
	}
	return true
}

func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || len(s) > MaxURL || HasCardNumber(s) {
		return fault.InvalidParam("returnUrl", "invalid_url", "returnUrl must be an absolute http or https URL, without a card number")
	}
	return nil
}

func checkMetadata(metadata map[string]string) error {
	if len(metadata) > MaxMetadata {
		return fault.InvalidParam("metadata", "too_many_keys", "metadata takes at most 45 keys")
	}
	for k, v := range metadata {
		switch {
		case k == "" || utf8.RuneCountInString(k) > MaxMetadataKey || strings.ContainsAny(k, "[]"):
			return fault.InvalidParam("metadata", "invalid_metadata",
				"metadata keys take 1 to 40 characters without square brackets")
		case Reserved(k):
			return fault.InvalidParam("metadata."+k, "reserved_metadata", "metadata keys that begin with patchbay_ are reserved")
		case utf8.RuneCountInString(v) > MaxMetadataValue:
			return fault.InvalidParam("metadata."+k, "invalid_metadata", "metadata values take at most 500 characters")
		case HasCardNumber(k) || HasCardNumber(v):
			return fault.InvalidParam("metadata", "card_number", "metadata must not hold a card number")
		}
	}
	return nil
}

// Reserved reports whether a metadata key is one of Patchbay's.
func Reserved(key string) bool { return strings.HasPrefix(strings.ToLower(key), "patchbay_") }
