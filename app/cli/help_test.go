package cli

import "testing"

func TestEveryHelpIsOfACommand(t *testing.T) {
	t.Parallel()
	root := command(nil)
	for path := range helpTexts {
		found := false
		for _, group := range root.Commands() {
			for _, cmd := range group.Commands() {
				found = found || cmd.CommandPath() == path && cmd.Long != "" && cmd.Example != ""
			}
		}
		if !found {
			t.Errorf("%q has a help, want a command of this path that shows it", path)
		}
	}
}
