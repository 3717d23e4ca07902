package explore

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRules removes one rule after the other from the code, and checks that the search then finds the
// violation that the rule prevents.
func TestRules(t *testing.T) {
	if os.Getenv(varScenario) != "" {
		return // this process is one of those searches
	}
	for _, rule := range Rules {
		for _, e := range rule.Edits {
			e.without(t)
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
	dir := t.TempDir()
	overlay, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "explore.test")
	replaced := map[string]string{}
	for i, e := range rule.Edits {
		file, source := e.without(t)
		without := filepath.Join(dir, fmt.Sprintf("without%d.go", i))
		write(t, without, source)
		replaced[file] = without
	}
	replace, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	write(t, overlay, string(replace))
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, "./tests/explore")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	search := exec.CommandContext(t.Context(), binary, "-test.run=^TestExplore$")
	search.Env = append(os.Environ(), varTime+"=", varScenario+"="+rule.Scenario, varFind+"="+rule.Wrong, fmt.Sprintf("%s=%d", varBound, rule.Bound))
	out, err := search.CombinedOutput()
	return string(out), err == nil
}

// without returns a file as it reads without a rule.
func (e Edit) without(t *testing.T) (file, source string) {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("../..", e.File))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(raw), e.Is) != 1 {
		t.Fatalf("%s: want exactly once: %s", e.File, e.Is)
	}
	return file, strings.Replace(string(raw), e.Is, e.Without, 1)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
