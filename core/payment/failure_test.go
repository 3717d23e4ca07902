package payment_test

import (
	"testing"

	"patchbay/core/payment"
)

func TestFailuresCausedByTheBuyer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure payment.Failure
		want    bool
	}{
		"a decline of the issuer":                {payment.Failure{Code: "card_declined", DeclineCode: "lost_card"}, true},
		"an unknown code with a decline code":    {payment.Failure{Code: "new_code", DeclineCode: "new_reason"}, true},
		"a failed authentication":                {payment.Failure{Code: "payment_intent_authentication_failure"}, true},
		"an expired card without a decline code": {payment.Failure{Code: "expired_card"}, true},
		"a decline by another payment method":    {payment.Failure{Code: "payment_method_provider_decline"}, true},
		"a payment that no provider took":        {payment.Failure{Code: "not_executed"}, false},
		"a failure of the provider":              {payment.Failure{Code: "api_error"}, false},
		"a failure without any code":             {payment.Failure{Message: "it failed"}, false},
	} {
		if got := c.failure.CausedByBuyer(); got != c.want {
			t.Errorf("%s: CausedByBuyer() = %t, want %t", name, got, c.want)
		}
	}
}
