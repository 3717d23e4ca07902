package webhooktest

import (
	"testing"

	"patchbay/tests/contract/internal/suite"
)

func TestCasesAreDocumented(t *testing.T) {
	t.Parallel()
	suite.WantDocumented(t, "webhooktest", suite.Lines(cases))
}
