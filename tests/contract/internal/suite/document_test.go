package suite

import (
	"slices"
	"testing"
)

func TestListedReturnsTheItemsOfOneSection(t *testing.T) {
	t.Parallel()
	const text = "# Title\n\n- **no section.** Not listed.\n\n## atest\n\nText.\n\n- **one.** First,\n  continued.\n- **two.** Second.\n\n## btest\n\n- **three.** Third.\n"
	for section, want := range map[string][]string{
		"atest": {"- **one.** First, continued.", "- **two.** Second."},
		"btest": {"- **three.** Third."},
		"ctest": nil,
	} {
		if got := listed(text, section); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", section, got, want)
		}
	}
}
