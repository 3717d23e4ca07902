package rfc5322_test

import (
	"testing"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/fault"
)

func TestTheLettersOfAnAddressAreComposedOrNot(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct{ composed, decomposed string }{
		"ada@example.com":                {"ada@example.com", ""},
		"jos\u00e9@example.com":          {"jos\u00e9@example.com", "jose\u0301@example.com"},
		"jose\u0301@example.com":         {"jos\u00e9@example.com", ""},
		"jose\u0301@b\u00fccher.example": {"jos\u00e9@xn--bcher-kva.example", ""},
		"jos\u00e9@b\u00fccher.example":  {"jos\u00e9@xn--bcher-kva.example", "jose\u0301@b\u00fccher.example"},
		"\uff41da@example.com":           {"\uff41da@example.com", ""}, // a wide a is another letter
		"ada":                            {"", ""},
	} {
		composed, err := rfc5322.Composed(address)
		if composed != want.composed || (want.composed == "") != fault.Is(err, fault.Invalid) {
			t.Errorf("%+q: got %+q, %v, want %+q", address, composed, err, want.composed)
		}
		decomposed, err := rfc5322.Decomposed(address)
		if decomposed != want.decomposed || (want.decomposed == "") != (err != nil) {
			t.Errorf("%+q: got %+q decomposed, %v, want %+q", address, decomposed, err, want.decomposed)
		}
	}
}
