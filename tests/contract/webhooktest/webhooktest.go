// Package webhooktest is the contract suite of ports.Verifier. Every adapter that takes webhooks
// runs it from a test called TestContract. docs/contract.md lists its cases.
package webhooktest

import (
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/suite"
)

// Harness is a verifier and the webhooks that its provider sends.
type Harness struct {
	Verifier ports.Verifier
	// Now is the time of the verifier's clock.
	Now time.Time
	// Tolerance is the maximum age of a signature.
	Tolerance time.Duration
	// Sign makes a webhook as the provider sends it, signed at the given time.
	Sign func(at time.Time) (body []byte, header map[string]string)
	// ByHeaders means that the signature and its time are sent in headers.
	ByHeaders bool
	// CoversBody means that the signature covers the body.
	CoversBody bool
}

// Run runs the suite. The cases share the harness.
func Run(t *testing.T, h Harness) {
	suite.Run(t, cases, func(*testing.T) Harness { return h })
}

var cases = []suite.Case[Harness]{
	{
		Name: "a webhook that was signed now is accepted",
		Doc:  "A webhook signed at the time of the clock is accepted, and so are its headers.",
		Run:  signedNow,
	},
	{
		Name: "the oldest that may come is accepted",
		Doc:  "A webhook signed a minute less than the tolerance ago is accepted, and so are its headers.",
		Run:  signedWithinTolerance,
	},
	{
		Name: "an older webhook is refused",
		Doc:  "A webhook signed a minute more than the tolerance ago is refused with the code invalid_signature.",
		Run:  signedTooEarly,
	},
	{
		Name: "a webhook signed in the future is refused",
		Doc:  "A webhook signed an hour ahead of the clock is refused with the code invalid_signature.",
		Run:  signedAhead,
	},
	{
		Name: "a webhook without its headers is refused",
		Doc:  "If the signature is sent in headers, a webhook without them is refused with the code invalid_signature.",
		Run:  withoutHeaders,
	},
	{
		Name: "a webhook whose body was changed is refused",
		Doc:  "If the signature covers the body, a changed body is refused with the code invalid_signature; the headers alone remain valid.",
		Run:  changedBody,
	},
	{
		Name: "a webhook without its body is refused",
		Doc:  "A webhook with an empty body is refused with the code invalid_signature; the headers alone remain valid.",
		Run:  withoutBody,
	},
}

func signedNow(t *testing.T, h Harness) {
	body, header := h.Sign(h.Now)
	h.want(t, body, header, true, true)
}

func signedWithinTolerance(t *testing.T, h Harness) {
	body, header := h.Sign(h.Now.Add(time.Minute - h.Tolerance))
	h.want(t, body, header, true, true)
}

func signedTooEarly(t *testing.T, h Harness) {
	body, header := h.Sign(h.Now.Add(-time.Minute - h.Tolerance))
	h.want(t, body, header, false, false)
}

func signedAhead(t *testing.T, h Harness) {
	body, header := h.Sign(h.Now.Add(time.Hour))
	h.want(t, body, header, false, false)
}

func withoutHeaders(t *testing.T, h Harness) {
	body, _ := h.Sign(h.Now)
	h.want(t, body, nil, !h.ByHeaders, false)
}

func changedBody(t *testing.T, h Harness) {
	body, header := h.Sign(h.Now)
	h.want(t, append(body, ' '), header, !h.CoversBody, true)
}

func withoutBody(t *testing.T, h Harness) {
	_, header := h.Sign(h.Now)
	h.want(t, nil, header, false, true)
}

// want checks whether a webhook is accepted by Verify, and by CheckHeaders, which must find what
// the headers prove and leave the rest to Verify.
func (h Harness) want(t *testing.T, body []byte, header map[string]string, accepted, headersAccepted bool) {
	t.Helper()
	get := func(name string) string { return header[name] }
	_, err := h.Verifier.Verify(t.Context(), body, get)
	wantSigned(t, "Verify", err, accepted)
	wantSigned(t, "CheckHeaders", h.Verifier.CheckHeaders(get), headersAccepted || !h.ByHeaders)
}

func wantSigned(t *testing.T, method string, err error, accepted bool) {
	t.Helper()
	if accepted && err != nil {
		t.Errorf("%s: error %v, want none", method, err)
	}
	if !accepted && (!fault.Is(err, fault.Invalid) || fault.From(err).Code != "invalid_signature") {
		t.Errorf("%s: error %v, want kind %s with code invalid_signature", method, err, fault.Invalid)
	}
}
