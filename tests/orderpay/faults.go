package orderpay

import (
	"net/http"
	"strings"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/payment"
	"patchbay/tests/contract/paymenttest"
)

var paths = map[payment.Action]string{
	payment.Create: "/v1/orders", payment.Confirm: "/pay", payment.Capture: "/capture", payment.Cancel: "/void", payment.Refund: "/refunds",
}

// Befall lets the fault befall the next request of the action, in place of any before.
func (s *Sim) Befall(a payment.Action, f paymenttest.Fault) {
	s.Heal()
	before := func(m faultserver.Mishap) { s.Inject(faultserver.Fault{Match: on(a), Mishap: m}) }
	after := func(m faultserver.Mishap) { s.Inject(faultserver.Fault{Match: on(a), After: true, Mishap: m}) }
	switch f {
	case paymenttest.FaultRefused:
		s.Refuse()
	case paymenttest.FaultTimeoutBefore:
		before(faultserver.Hang())
	case paymenttest.FaultTimeoutAfter, paymenttest.FaultHang:
		after(faultserver.Hang())
	case paymenttest.FaultServerError:
		after(says(http.StatusInternalServerError, "internal"))
	case paymenttest.FaultReset:
		after(faultserver.Reset())
	case paymenttest.FaultMalformed:
		after(faultserver.Truncate())
	case paymenttest.FaultRateLimited:
		before(says(http.StatusTooManyRequests, "rate_limited"))
	case paymenttest.FaultUnauthorized:
		before(says(http.StatusUnauthorized, "unauthorized"))
	case paymenttest.FaultForbidden:
		before(says(http.StatusForbidden, "forbidden"))
	case paymenttest.FaultPage:
		after(faultserver.Page(http.StatusForbidden))
	}
}

// on matches the requests of an action.
func on(a payment.Action) func(*http.Request, []byte) bool {
	return func(r *http.Request, _ []byte) bool {
		return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, paths[a])
	}
}

// says answers a request with the provider's own words.
func says(status int, name string) faultserver.Mishap {
	return faultserver.Answer(status, map[string]string{"Content-Type": "application/json"}, `{"name":"`+name+`"}`)
}
