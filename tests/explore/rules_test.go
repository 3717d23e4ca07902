package explore

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/tests/altered"
)

// TestRules removes one rule after the other from the code, and checks that the search then finds the
// violation that the rule prevents.
func TestRules(t *testing.T) {
	if os.Getenv(varScenario) != "" {
		return // this process is one of those searches
	}
	for _, rule := range Rules {
		for _, e := range rule.Edits {
			e.altered().Check(t)
		}
		if os.Getenv(varTime) == "" && !rule.Short {
			continue
		}
		t.Run(rule.Name, func(t *testing.T) {
			found, ok := rule.missed(t)
			if ok || !strings.Contains(found, rule.Wrong) {
				t.Fatalf("without the rule: got no violation with %q, want one:\n%s", rule.Wrong, found)
			}
			for line := range strings.Lines(found) {
				if strings.Contains(line, rule.Wrong) {
					t.Log(strings.TrimSpace(line))
					break
				}
			}
		})
	}
}

// missed searches the scenario of a rule without the rule. ok means that it found no violation.
func (rule Rule) missed(t *testing.T) (found string, ok bool) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	edits := make([]altered.Edit, len(rule.Edits))
	for i, e := range rule.Edits {
		edits[i] = e.altered()
	}
	binary := filepath.Join(t.TempDir(), "explore.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", altered.Overlay(t, edits...), "-o", binary, "./tests/explore")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	search := exec.CommandContext(t.Context(), binary, "-test.run=^TestExplore$")
	search.Env = append(os.Environ(), varTime+"=", varScenario+"="+rule.Scenario, varFind+"="+rule.Wrong, fmt.Sprintf("%s=%d", varBound, rule.Bound))
	out, err := search.CombinedOutput()
	return string(out), err == nil
}

func (e Edit) altered() altered.Edit {
	return altered.Edit{File: e.File, Is: e.Is, Becomes: e.Without}
}
