package stripesim

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"patchbay/core/payment"
)

// request is one API request.
type request struct {
	*endpoint
	id          string // of the object in the path
	key         string
	fingerprint string
	ctx         context.Context //nolint:containedctx // it ends with the request
	earlier     func() string   // see WithEarlier
	form        url.Values
}

// endpoint is an endpoint of the API. One that changes something has an action and is served with
// the record that it changes.
type endpoint struct {
	method string
	path   string // {id} stands for the id of an object
	action payment.Action
	params string // the names of its parameters, without indices
	names  string // the parameter that names the intent in an error
	serve  func(s *Sim, q *request, r *Record, saved *Saved) *Failure
	read   func(s *Sim, q *request) (any, *Failure, error)
}

var endpoints = []endpoint{
	{
		method: "POST", path: "/v1/payment_intents", action: payment.Create, serve: (*Sim).create,
		params: "amount currency automatic_payment_methods[enabled] automatic_payment_methods[allow_redirects] capture_method confirm customer description expand metadata payment_method payment_method_types return_url",
	},
	{
		method: "POST", path: "/v1/payment_intents/{id}/confirm", action: payment.Confirm, serve: (*Sim).confirm,
		params: "expand payment_method return_url", names: "intent",
	},
	{
		method: "POST", path: "/v1/payment_intents/{id}/capture", action: payment.Capture, serve: (*Sim).capture,
		params: "amount_to_capture expand", names: "intent",
	},
	{
		method: "POST", path: "/v1/payment_intents/{id}/cancel", action: payment.Cancel, serve: (*Sim).cancel,
		params: "cancellation_reason expand", names: "intent",
	},
	{
		method: "POST", path: "/v1/refunds", action: payment.Refund, serve: (*Sim).refund,
		params: "amount expand metadata payment_intent reason", names: "payment_intent",
	},
	{method: "GET", path: "/v1/payment_intents/{id}", params: "expand", names: "intent", read: (*Sim).retrieve},
	{
		method: "GET", path: "/v1/payment_intents", read: (*Sim).list,
		params: "created[gt] created[gte] created[lt] created[lte] customer ending_before expand limit starting_after",
	},
	{method: "GET", path: "/v1/account", params: "expand", read: (*Sim).self},
	{method: "GET", path: "/v1/disputes", params: "ending_before expand limit payment_intent starting_after", read: (*Sim).disputes},
	{method: "GET", path: "/v1/refunds", params: "ending_before expand limit payment_intent starting_after", read: (*Sim).refunds},
}

// enums are the allowed values of some parameters.
var enums = map[string][]string{
	"capture_method": {"automatic", "automatic_async", "manual"},
	"automatic_payment_methods[allow_redirects]": {"always", "never"},
	"automatic_payment_methods[enabled]":         {"true", "false"},
	"confirm":                                    {"true", "false"},
	"payment_method_types":                       {"card", "us_bank_account"}, // those of which the simulator has test methods
	"cancellation_reason":                        {"abandoned", "duplicate", "fraudulent", "requested_by_customer"},
	"reason":                                     {"duplicate", "fraudulent", "requested_by_customer"},
}

// integers are the integer parameters.
var integers = []string{
	"amount", "amount_to_capture", "limit", "created[gt]", "created[gte]", "created[lt]", "created[lte]",
}

// match reports whether an endpoint serves a path, and returns the id in it.
func (e *endpoint) match(method, path string) (id string, ok bool) {
	if e.method != method {
		return "", false
	}
	before, after, named := strings.Cut(e.path, "{id}")
	if !named {
		return "", path == e.path
	}
	id, ok = strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(id, after)
	return id, ok && id != "" && !strings.Contains(id, "/")
}

// newRequest reads a request. The parameters of a POST are in its body.
func newRequest(r *http.Request) (*request, *Failure) {
	for n := range endpoints {
		id, ok := endpoints[n].match(r.Method, r.URL.Path)
		if !ok {
			continue
		}
		q := &request{endpoint: &endpoints[n], ctx: r.Context(), id: id, key: header(r.Header, "Idempotency-Key")}
		raw := r.URL.RawQuery
		if r.Method == http.MethodPost && r.Body != nil {
			body, err := io.ReadAll(r.Body)
			if err != nil || raw != "" {
				return nil, invalid("", "", "Invalid request")
			}
			raw = string(body)
		}
		var err error
		if q.form, err = url.ParseQuery(raw); err != nil {
			return nil, invalid("", "", "Invalid request")
		}
		if q.key != "" {
			q.fingerprint, q.earlier = fingerprint(r.Method+" "+r.URL.Path+"?"+q.form.Encode()), earlier(r.Context())
		}
		return q, q.check()
	}
	return nil, &Failure{
		status: http.StatusNotFound, Type: "invalid_request_error",
		Message: "Unrecognized request URL (" + r.Method + ": " + r.URL.Path + ").",
	}
}

// header returns a header of a request, which may have come without being canonicalised.
func header(h http.Header, name string) string {
	if values := h[strings.ToLower(name)]; len(values) > 0 {
		return values[0]
	}
	return h.Get(name)
}

// fingerprint identifies the parameters of a request, in whichever order.
func fingerprint(of string) string {
	sum := sha256.Sum256([]byte(of))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// same reports whether the request is the one to which a response was saved.
func (q *request) same(saved *Saved) bool {
	return saved.Fingerprint == q.fingerprint || q.earlier != nil && saved.Fingerprint == q.earlier()
}

// about returns the id of the intent that the request is about.
func (q *request) about() string {
	if q.action == payment.Refund {
		return q.text("payment_intent")
	}
	return q.id
}

// generic returns the name of a parameter without its index, which only some have.
func generic(param string) (name string, ok bool) {
	name, index, indexed := strings.Cut(param, "[")
	if name != "expand" && name != "metadata" && name != "payment_method_types" {
		return param, true
	}
	inner, closed := strings.CutSuffix(index, "]")
	if !indexed || !closed || strings.ContainsAny(inner, "[]") {
		return name, false
	}
	return name, name == "metadata" || strings.Trim(inner, "0123456789") == ""
}

// lists reports whether a list of words has one.
func lists(words, word string) bool {
	for w := range strings.SplitSeq(words, " ") {
		if w == word {
			return true
		}
	}
	return false
}

// check refuses a request that no endpoint of Stripe's accepts.
func (q *request) check() *Failure {
	if len(q.key) > 255 {
		return invalid("", "", "Idempotency keys may be at most 255 characters long.")
	}
	for param, values := range q.form {
		name, ok := generic(param)
		if !ok {
			return invalid("", param, "Invalid "+param)
		}
		switch allowed := enums[name]; {
		case !lists(q.params, name):
			return invalid("parameter_unknown", param, "Received unknown parameter: "+param)
		case len(values) > 1 && !strings.HasSuffix(param, "[]"):
			return invalid("", param, "Received "+param+" twice")
		case allowed != nil && slices.ContainsFunc(values, func(v string) bool { return !slices.Contains(allowed, v) }):
			return invalid("", param, "Invalid "+param+": must be one of "+strings.Join(allowed, ", "))
		case slices.Contains(integers, name):
			if _, err := strconv.ParseInt(values[0], 10, 64); err != nil {
				return invalid("parameter_invalid_integer", param, "Invalid integer: "+values[0])
			}
		case values[0] == "" && name != "metadata":
			return invalid("parameter_invalid_empty", param, "You passed an empty string for '"+param+"'.")
		}
	}
	if q.action == payment.Refund && q.about() == "" {
		return invalid("parameter_missing", "payment_intent", "One of the following params should be provided: payment_intent.")
	}
	return q.checkMetadata()
}

// checkMetadata enforces Stripe's limits: docs.stripe.com/api/metadata.
func (q *request) checkMetadata() *Failure {
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

// types returns the values of payment_method_types, each once.
func (q *request) types() []string {
	var all []string
	for param, values := range q.form {
		if strings.HasPrefix(param, "payment_method_types[") {
			all = append(all, values...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (q *request) text(name string) string { return q.form.Get(name) }

// number returns an integer parameter, or 0 if it is absent. check has validated it.
func (q *request) number(name string) int64 {
	n, _ := strconv.ParseInt(q.form.Get(name), 10, 64)
	return n
}

// expands reports whether a field is to be expanded to an object. Expanding any other field is
// refused.
func (q *request) expands(field string) (bool, *Failure) {
	found := false
	for param, values := range q.form {
		switch {
		case !strings.HasPrefix(param, "expand["):
		case slices.ContainsFunc(values, func(v string) bool { return v != field }):
			return false, invalid("", "expand", "This property cannot be expanded ("+strings.Join(values, ", ")+").")
		default:
			found = true
		}
	}
	return found, nil
}
