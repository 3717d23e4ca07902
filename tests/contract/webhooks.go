package contract

import (
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

// VerifierHarness is a verifier and the webhooks that its provider sends.
type VerifierHarness struct {
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

// Verifier runs the suite for ports.Verifier.
func Verifier(t *testing.T, h VerifierHarness) {
	type webhook func(at time.Time) (body []byte, header map[string]string)
	unsigned := func(at time.Time) (body []byte, header map[string]string) {
		body, _ = h.Sign(at)
		return body, nil
	}
	changed := func(at time.Time) (body []byte, header map[string]string) {
		body, header = h.Sign(at)
		return append(body, ' '), header
	}
	nothing := func(at time.Time) (body []byte, header map[string]string) {
		_, header = h.Sign(at)
		return nil, header
	}
	for _, c := range []struct {
		name string
		sign webhook
		at   time.Time
		ok   bool
		// headers means that the headers alone are valid.
		headers bool
	}{
		{"a webhook that was signed now is taken", h.Sign, h.Now, true, true},
		{"the oldest that may come is taken", h.Sign, h.Now.Add(time.Minute - h.Tolerance), true, true},
		{"one that is older is refused", h.Sign, h.Now.Add(-time.Minute - h.Tolerance), false, false},
		{"one that was signed an hour ahead is refused", h.Sign, h.Now.Add(time.Hour), false, false},
		{"one without its headers is refused", unsigned, h.Now, !h.ByHeaders, false},
		{"one whose body was changed is refused", changed, h.Now, !h.CoversBody, true},
		{"one without its body is refused", nothing, h.Now, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body, header := c.sign(c.at)
			get := func(name string) string { return header[name] }
			_, err := h.Verifier.Verify(t.Context(), body, get)
			wantSigned(t, "the whole of it", err, c.ok)
			// CheckHeaders must find what the headers prove; the rest is left to Verify.
			wantSigned(t, "the headers", h.Verifier.CheckHeaders(get), c.headers || !h.ByHeaders)
		})
	}
}

func wantSigned(t *testing.T, what string, err error, ok bool) {
	t.Helper()
	if ok && err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if !ok && (!fault.Is(err, fault.Invalid) || fault.From(err).Code != "invalid_signature") {
		t.Errorf("%s: %v, want invalid_signature", what, err)
	}
}
