package payment

// buyersCodes are the codes that name the card, the payment method or the buyer as the cause of a
// failure, without a decline code of the issuer: docs.stripe.com/error-codes.
var buyersCodes = map[string]bool{
	"authentication_required": true, "payment_intent_authentication_failure": true,
	"bank_account_declined": true, "bank_account_restricted": true, "bank_account_unusable": true,
	"card_decline_rate_limit_exceeded": true, "card_declined": true, "expired_card": true,
	"debit_not_authorized": true, "insufficient_funds": true, "processing_error": true,
	"incorrect_address": true, "incorrect_cvc": true, "incorrect_number": true, "incorrect_zip": true,
	"invalid_cvc": true, "invalid_expiry_month": true, "invalid_expiry_year": true, "invalid_number": true,
	"payment_intent_payment_attempt_expired": true, "payment_intent_payment_attempt_failed": true,
	"payment_method_customer_decline": true, "payment_method_provider_decline": true, "payment_method_provider_timeout": true,
}

// CausedByBuyer reports whether the cause is the card, the payment method or the buyer, so that another
// attempt with another of them may succeed.
func (f *Failure) CausedByBuyer() bool { return f.DeclineCode != "" || buyersCodes[f.Code] }
