package contract

import (
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

// VerifierHarness is a verifier and what its provider sends.
type VerifierHarness struct {
	Verifier ports.Verifier
	// Now is what the verifier's clock shows.
	Now time.Time
	// Sign makes a webhook as the provider sends it, signed at a moment.
	Sign func(at time.Time) (body []byte, header map[string]string)
	// ByHeaders tells that the scheme puts the signature and its time into headers.
	ByHeaders bool
}

// Verifier runs the suite for ports.Verifier.
func Verifier(t *testing.T, h VerifierHarness) {
	without := func(at time.Time) (body []byte, header map[string]string) {
		body, _ = h.Sign(at)
		return body, nil
	}
	for _, c := range []struct {
		name string
		sign func(at time.Time) (body []byte, header map[string]string)
		at   time.Time
		ok   bool
	}{
		{"a webhook that was signed now is taken", h.Sign, h.Now, true},
		{"one that was signed an hour ago is refused", h.Sign, h.Now.Add(-time.Hour), false},
		{"one that was signed an hour ahead is refused", h.Sign, h.Now.Add(time.Hour), false},
		{"one without its headers is refused", without, h.Now, !h.ByHeaders},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body, header := c.sign(c.at)
			get := func(name string) string { return header[name] }
			_, err := h.Verifier.Verify(body, get)
			wantSigned(t, "the whole of it", err, c.ok)
			// What headers cannot tell is left to Verify, and what they can is not.
			wantSigned(t, "the headers", h.Verifier.CheckHeaders(get), c.ok || !h.ByHeaders)
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
