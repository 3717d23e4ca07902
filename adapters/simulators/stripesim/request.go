package stripesim

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"patchbay/core/payment"
)

// request is one API request.
type request struct {
	endpoint
	id          string // of the object in the path
	key         string
	fingerprint string
	form        url.Values
}

// endpoint is an endpoint of the API.
type endpoint struct {
	method string
	path   *regexp.Regexp
	action payment.Action // empty for a read
	params string         // the names of its parameters, without indices
	serve  func(s *Sim, q *request) (object, *failure)
}

var endpoints = []endpoint{
	{
		"POST", regexp.MustCompile(`^/v1/payment_intents$`), payment.Create,
		"amount currency automatic_payment_methods[enabled] automatic_payment_methods[allow_redirects] capture_method confirm customer description expand metadata payment_method return_url", (*Sim).create,
	},
	{"POST", regexp.MustCompile(`^/v1/payment_intents/([^/]+)/confirm$`), payment.Confirm, "expand payment_method return_url", (*Sim).confirm},
	{"POST", regexp.MustCompile(`^/v1/payment_intents/([^/]+)/capture$`), payment.Capture, "amount_to_capture expand", (*Sim).capture},
	{"POST", regexp.MustCompile(`^/v1/payment_intents/([^/]+)/cancel$`), payment.Cancel, "cancellation_reason expand", (*Sim).cancel},
	{"GET", regexp.MustCompile(`^/v1/payment_intents/([^/]+)$`), "", "expand", (*Sim).retrieve},
	{
		"GET", regexp.MustCompile(`^/v1/payment_intents$`), "",
		"created[gt] created[gte] created[lt] created[lte] customer ending_before expand limit starting_after", (*Sim).list,
	},
	{"GET", regexp.MustCompile(`^/v1/account$`), "", "expand", (*Sim).self},
	{"POST", regexp.MustCompile(`^/v1/refunds$`), payment.Refund, "amount expand metadata payment_intent reason", (*Sim).refund},
	{"GET", regexp.MustCompile(`^/v1/disputes$`), "", "ending_before expand limit payment_intent starting_after", (*Sim).disputes},
	{"GET", regexp.MustCompile(`^/v1/refunds$`), "", "ending_before expand limit payment_intent starting_after", (*Sim).refunds},
}

// enums are the allowed values of some parameters.
var enums = map[string][]string{
	"capture_method": {"automatic", "automatic_async", "manual"},
	"automatic_payment_methods[allow_redirects]": {"always", "never"},
	"automatic_payment_methods[enabled]":         {"true", "false"},
	"confirm":                                    {"true", "false"},
	"cancellation_reason":                        {"abandoned", "duplicate", "fraudulent", "requested_by_customer"},
	"reason":                                     {"duplicate", "fraudulent", "requested_by_customer"},
}

// integers are the integer parameters.
var integers = []string{
	"amount", "amount_to_capture", "limit", "created[gt]", "created[gte]", "created[lt]", "created[lte]",
}

func newRequest(r *http.Request) (*request, *failure) {
	if err := r.ParseForm(); err != nil {
		return nil, invalid("", "", "Invalid request")
	}
	for _, e := range endpoints {
		if m := e.path.FindStringSubmatch(r.URL.Path); m != nil && e.method == r.Method {
			q := &request{endpoint: e, form: r.Form, key: r.Header.Get("Idempotency-Key")}
			if len(m) > 1 {
				q.id = m[1]
			}
			q.fingerprint = r.Method + " " + r.URL.Path + "?" + r.Form.Encode()
			return q, q.check()
		}
	}
	return nil, &failure{
		status: http.StatusNotFound, Type: "invalid_request_error",
		Message: "Unrecognized request URL (" + r.Method + ": " + r.URL.Path + ").",
	}
}

var index = regexp.MustCompile(`^(expand)\[\d*\]$|^(metadata)\[[^\[\]]*\]$`)

// check refuses a request that no endpoint of Stripe's accepts.
func (q *request) check() *failure {
	if len(q.key) > 255 {
		return invalid("", "", "Idempotency keys may be at most 255 characters long.")
	}
	known := strings.Fields(q.params)
	for param, values := range q.form {
		name := param
		if m := index.FindStringSubmatch(param); m != nil {
			name = m[1] + m[2]
		} else if slices.Contains([]string{"expand", "metadata"}, param) {
			return invalid("", param, "Invalid "+param)
		}
		switch allowed := enums[name]; {
		case !slices.Contains(known, name):
			return invalid("parameter_unknown", param, "Received unknown parameter: "+param)
		case len(values) > 1:
			return invalid("", param, "Received "+param+" twice")
		case allowed != nil && !slices.Contains(allowed, values[0]):
			return invalid("", param, "Invalid "+param+": must be one of "+strings.Join(allowed, ", "))
		case slices.Contains(integers, name):
			if _, err := strconv.ParseInt(values[0], 10, 64); err != nil {
				return invalid("parameter_invalid_integer", param, "Invalid integer: "+values[0])
			}
		case values[0] == "" && name != "metadata":
			return invalid("parameter_invalid_empty", param, "You passed an empty string for '"+param+"'.")
		}
	}
	return q.checkMetadata()
}

// checkMetadata enforces Stripe's limits: docs.stripe.com/api/metadata.
func (q *request) checkMetadata() *failure {
	all := q.metadata()
	if len(all) > 50 {
		return invalid("", "metadata", "You can have up to 50 keys.")
	}
	for key, value := range all {
		if len([]rune(key)) > 40 || len([]rune(value)) > 500 {
			return invalid("", "metadata["+key+"]", "Metadata keys can be up to 40 characters long and values up to 500.")
		}
	}
	return nil
}

func (q *request) metadata() map[string]string {
	all := map[string]string{}
	for param, values := range q.form {
		if name, ok := strings.CutPrefix(param, "metadata["); ok {
			all[strings.TrimSuffix(name, "]")] = values[0]
		}
	}
	return all
}

func (q *request) text(name string) string { return q.form.Get(name) }

// number returns an integer parameter, or 0 if it is absent. check has validated it.
func (q *request) number(name string) int64 {
	n, _ := strconv.ParseInt(q.form.Get(name), 10, 64)
	return n
}

// expands reports whether a field is to be expanded to an object. Expanding any other field is
// refused.
func (q *request) expands(field string) (bool, *failure) {
	found := false
	for param, values := range q.form {
		switch {
		case !strings.HasPrefix(param, "expand["):
		case values[0] != field:
			return false, invalid("", "expand", "This property cannot be expanded ("+values[0]+").")
		default:
			found = true
		}
	}
	return found, nil
}
