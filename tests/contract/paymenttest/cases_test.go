package paymenttest

import (
	"testing"

	kit "patchbay/tests/contract/internal/suite"
)

func TestCasesAreDocumented(t *testing.T) {
	t.Parallel()
	var lines []kit.Line
	for _, group := range cases(Methods{Declines: []Decline{{Name: "each decline of the harness"}}}) {
		for _, c := range group {
			lines = append(lines, kit.Line{Name: c.name, Doc: c.doc})
		}
	}
	kit.WantDocumented(t, "paymenttest", lines)
}
