package mailtest

import (
	"testing"

	"patchbay/tests/contract/internal/suite"
)

func TestCasesAreDocumented(t *testing.T) {
	t.Parallel()
	suite.WantDocumented(t, "mailtest", suite.Lines(cases), suite.Lines(Network{SMTP: true}.cases()))
}
