package suite

import (
	"fmt"
	"strings"
	"testing"
)

// recorder records what a test would report.
type recorder struct{ text string }

func (r *recorder) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) }

func TestACaseThatPanicsFails(t *testing.T) {
	t.Parallel()
	var r recorder
	Contain(&r, func() {
		none := make([]error, len(r.text))
		_ = none[0]
	})
	if !strings.Contains(r.text, "index out of range") {
		t.Errorf("reported %q, want the cause of the panic", r.text)
	}
}

func TestACaseThatDoesNotPanicReportsNothing(t *testing.T) {
	t.Parallel()
	var r recorder
	Contain(&r, func() {})
	if r.text != "" {
		t.Errorf("reported %q, want nothing", r.text)
	}
}
