package webhooktest_test

import (
	"testing"
	"time"

	"patchbay/adapters/mail/sendgridmail"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/tests/contract/webhooktest"
)

type clock time.Time

func (c clock) Now() time.Time { return time.Time(c) }

// The test file of a webhook adapter calls the suite from TestContract. The harness signs a webhook
// as the provider does.
func Example() {
	testContract := func(t *testing.T) {
		t.Parallel()
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		signer := sendgridsim.NewSigner()
		hook, err := sendgridmail.NewHook(clock(now), provider.Account{Provider: "sendgrid", Secrets: []string{signer.PublicKey()}})
		if err != nil {
			t.Fatal(err)
		}
		t.Run("verifier", func(t *testing.T) {
			t.Parallel()
			webhooktest.Run(t, webhooktest.Harness{
				Verifier: hook, Now: now, Tolerance: sendgridmail.Tolerance, ByHeaders: true, CoversBody: true,
				Sign: func(at time.Time) ([]byte, map[string]string) {
					body := sendgridsim.Batch(sendgridsim.Event{"event": "delivered", "email": "ada@example.com"})
					return body, signer.Sign(body, at)
				},
			})
		})
	}
	_ = testing.InternalTest{Name: "TestContract", F: testContract} // go test finds a function of this name
}
