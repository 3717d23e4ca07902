package stripesim

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/payment"
)

// On matches the requests of an action.
func On(a payment.Action) func(*http.Request, []byte) bool {
	return func(r *http.Request, _ []byte) bool {
		for n := range endpoints {
			if e := &endpoints[n]; e.action == a {
				if _, ok := e.match(r.Method, r.URL.Path); ok {
					return true
				}
			}
		}
		return false
	}
}

// Stripe's own responses to requests that it does not execute.

// ServerError answers 500.
func ServerError() faultserver.Mishap { return respond(serverError(), nil) }

// Unauthorized answers 401.
func Unauthorized() faultserver.Mishap { return respond(unauthorized("sk_test_other"), nil) }

// Forbidden answers 403, as for a restricted key.
func Forbidden() faultserver.Mishap { return respond(noPermission(), nil) }

// RateLimited answers 429 with a Retry-After header.
func RateLimited(after time.Duration) faultserver.Mishap {
	return respond(rateLimited(), map[string]string{"Retry-After": strconv.Itoa(int(after / time.Second))})
}

// LockTimeout answers 429 with the code lock_timeout, about one object.
func LockTimeout() faultserver.Mishap { return respond(lockTimeout(), nil) }

// Says answers with an error of this status, type and code in Stripe's format.
func Says(status int, kind, code string) faultserver.Mishap {
	return respond(&Failure{status: status, Type: kind, Code: code, Message: "No."}, nil)
}

func respond(f *Failure, header map[string]string) faultserver.Mishap {
	all := map[string]string{"Content-Type": "application/json"}
	for name, value := range header {
		all[name] = value
	}
	return faultserver.Answer(f.status, all, string(refuse(f).body))
}

// Responses that may also come from a proxy in between.

// BadGateway answers 502 with an HTML page.
func BadGateway() faultserver.Mishap {
	return faultserver.Answer(http.StatusBadGateway, map[string]string{"Content-Type": "text/html"}, "<html><body>502 Bad Gateway</body></html>")
}

// EmptyError answers 500 without a body.
func EmptyError() faultserver.Mishap {
	return faultserver.Answer(http.StatusInternalServerError, nil, "")
}

// Malformed answers 200 with a body that is not valid JSON.
func Malformed() faultserver.Mishap {
	return faultserver.Answer(http.StatusOK, map[string]string{"Content-Type": "application/json"}, string(broken.body))
}

// befallen is the key of the mishap that befalls a request, in its context.
type befallen struct{}

// FaultsByName implements faultserver.ByName, by the faults of the payment methods "pm_mock_<name>", which
// befall whatever is requested.
func (s *Sim) FaultsByName() faultserver.Named {
	all := faultserver.Named{}
	for name := range mishaps {
		all[name] = faultserver.Fault{Mishap: faultserver.Handled(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), befallen{}, mishaps[name])))
		}))}
	}
	return all
}
