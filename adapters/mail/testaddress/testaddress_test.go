package testaddress_test

import (
	"testing"

	"patchbay/adapters/mail/testaddress"
	"patchbay/core/email"
)

func TestTheLocalPartSaysWhatBecomesOfMail(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]email.Event{
		"bounced@example.com":       email.EventBounced,
		"Bounced+7@catcher.test":    email.EventBounced,
		"deferred+@bücher.example":  email.EventDeferred,
		`"a@b"@example.com`:         "",
		"ada@example.com":           "",
		"ada+bounced@example.com":   "",
		"bounced":                   "",
		"":                          "",
		"bounced@elsewhere@example": "",
	} {
		all := testaddress.Of(address)
		if want == "" {
			if all != nil {
				t.Errorf("Of(%q) = %v, want nothing", address, all)
			}
			want = email.EventDelivered
		} else if len(all) != 1 || all[0].Event != want {
			t.Errorf("Of(%q) = %v, want %s", address, all, want)
		}
		if all := testaddress.OrDelivered(address); len(all) != 1 || all[0].Event != want {
			t.Errorf("OrDelivered(%q) = %v, want %s", address, all, want)
		}
	}
}
