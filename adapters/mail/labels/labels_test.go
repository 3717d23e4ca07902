package labels_test

import (
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/mail/labels"
	"patchbay/core/email"
)

func TestAMessageIsLabelledWithItsMetadataItsMarksAndItsTags(t *testing.T) {
	t.Parallel()
	m := email.Message{
		ID: "msg_1.0.2", Tenant: "acme.eu", Tags: []string{"welcome", "trial"}, Metadata: map[string]string{"order": "17", "a": "b"},
		Attempts: []email.Attempt{{ID: "att_1", Outcome: email.Attempting}},
	}
	want := []labels.Label{
		{"a", "b"},
		{"order", "17"},
		{"patchbay_attempt", "att_1"},
		{"patchbay_message_hex", "6d73675f312e302e32"},
		{"patchbay_tenant_hex", "61636d652e6575"},
		{"tag", "welcome"},
		{"tag_2", "trial"},
	}
	got := labels.Of(m)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	byName := map[string]string{}
	for _, l := range got {
		byName[l.Name] = l.Value
	}
	for mark, want := range m.Variables() {
		if got := labels.Mark(byName, mark); got != want {
			t.Errorf("the mark %s comes back as %q, want %q", mark, got, want)
		}
	}
}

func TestALabelTakesLettersDigitsDashesAndUnderscores(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		name, value string
		fits        bool
	}{
		"a tag":                               {"", "Welcome_2-b", true},
		"an entry of the metadata":            {"Order_2-b", "17-B_c", true},
		"the longest":                         {"a", strings.Repeat("v", 256), true},
		"a longer one":                        {"a", strings.Repeat("v", 257), false},
		"a tag with a space":                  {"", "b c", false},
		"a tag in another script":             {"", "grüße", false},
		"an empty tag":                        {"", "", false},
		"a value with a dot":                  {"price", "19.99", false},
		"a value that is empty":               {"a", "", false},
		"metadata with the name of a tag":     {"tag", "a", false},
		"metadata with the name of another":   {"tag_12", "a", false},
		"metadata whose name begins as a tag": {"tag_x", "b", true},
	} {
		if got := labels.Fit(c.name, c.value); got != c.fits {
			t.Errorf("%s: fits %t, want %t", name, got, c.fits)
		}
	}
}

func TestAMarkIsReadAsItIsWhereItIsNotInHexadecimal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		all  map[string]string
		want string
	}{
		"as it is":          {map[string]string{"patchbay_tenant": "acme"}, "acme"},
		"a hex that is bad": {map[string]string{"patchbay_tenant": "acme", "patchbay_tenant_hex": "?"}, "acme"},
		"none":              {map[string]string{"Patchbay_Tenant": "acme"}, ""},
		"no labels":         {nil, ""},
	} {
		if got := labels.Mark(c.all, email.TenantVariable); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
