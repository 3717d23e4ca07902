package setting_test

import (
	"testing"

	"patchbay/config/setting"
)

func TestAKeyHasOneMistakeAndNoneThatFollows(t *testing.T) {
	t.Parallel()
	var all setting.Mistakes
	all.Add("a", "")
	all.Require(true, "a", "is required")
	if all != nil || all.String() != "" {
		t.Errorf("got %v, want nothing", all)
	}
	all.Require(false, "a", "is required")
	all.Add("a", "must be a host")
	all.Add("b", "must be on this machine", "c", "a")
	all.Add("c", "must be on or off", "d")
	if got, want := all.String(), "a: is required\nc: must be on or off"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
