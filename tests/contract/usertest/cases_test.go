package usertest

import (
	"testing"

	"patchbay/tests/contract/internal/suite"
)

func TestCasesAreDocumented(t *testing.T) {
	t.Parallel()
	suite.WantDocumented(t, "usertest", suite.Lines(cases))
}
