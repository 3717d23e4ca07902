package journaltest

import (
	"testing"

	"patchbay/tests/contract/internal/suite"
)

func TestCasesAreDocumented(t *testing.T) {
	t.Parallel()
	suite.WantDocumented(t, "journaltest", suite.Lines(cases), suite.Lines(exclusiveCases), suite.Lines(sharedCases))
}
