package archivetest

import (
	"testing"

	"patchbay/tests/contract/internal/suite"
)

func TestCasesAreDocumented(t *testing.T) {
	t.Parallel()
	suite.WantDocumented(t, "archivetest", suite.Lines(cases), suite.Lines(userCases))
}
