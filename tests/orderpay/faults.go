package orderpay

import (
	"net/http"
	"strings"

	"patchbay/core/payment"
	"patchbay/tests/faultserver"
)

var paths = map[payment.Action]string{
	payment.Create: "/v1/orders", payment.Confirm: "/pay", payment.Capture: "/capture", payment.Cancel: "/void", payment.Refund: "/refunds",
}

// On matches the requests of an action.
func On(a payment.Action) func(*http.Request, []byte) bool {
	return func(r *http.Request, _ []byte) bool {
		return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, paths[a])
	}
}

// Says answers a request with the provider's own words.
func Says(status int, name string) faultserver.Mishap {
	return faultserver.Answer(status, map[string]string{"Content-Type": "application/json"}, `{"name":"`+name+`"}`)
}

// ServerError answers a request with the provider's own 500.
func ServerError() faultserver.Mishap { return Says(http.StatusInternalServerError, "internal") }
