// Package altered lets a test build the module with some lines of its source changed, so that it can
// show what goes wrong without a rule.
package altered

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Edit changes a text in a file.
type Edit struct {
	File    string // from the root of the module
	Is      string // exactly once in it
	Becomes string
}

// Check fails the test if the file does not have the text that the edit changes, exactly once.
func (e Edit) Check(t *testing.T) {
	t.Helper()
	e.apply(t)
}

func (e Edit) apply(t *testing.T) (file, source string) {
	t.Helper()
	_, own, _, _ := runtime.Caller(0)
	file = filepath.Join(filepath.Dir(own), "..", "..", filepath.FromSlash(e.File))
	raw, err := os.ReadFile(file) //nolint:gosec // of the module
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(raw), e.Is); n != 1 {
		t.Fatalf("%s: got it %d times, want it once: %s", e.File, n, e.Is)
	}
	return file, strings.Replace(string(raw), e.Is, e.Becomes, 1)
}

// Overlay returns the flag with which go builds the module as it is after the edits. No two of them may
// be of one file.
func Overlay(t *testing.T, edits ...Edit) (flag string) {
	t.Helper()
	dir, replaced := t.TempDir(), map[string]string{}
	for i, e := range edits {
		file, source := e.apply(t)
		if replaced[file] != "" {
			t.Fatalf("%s: got two edits of it, want one", e.File)
		}
		replaced[file] = filepath.Join(dir, fmt.Sprintf("altered%d.go", i))
		write(t, replaced[file], []byte(source))
	}
	raw, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	write(t, overlay, raw)
	return "-overlay=" + overlay
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
