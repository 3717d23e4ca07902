package sendgridhook_test

import (
	"testing"
	"time"

	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/webhooks/sendgridhook"
	"patchbay/tests/contract/webhooktest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	signer := sendgridsim.NewSigner()
	hook := hookOf(t, now, sendgridhook.Account{Provider: "sendgrid", Keys: []string{signer.PublicKey()}})
	t.Run("verifier", func(t *testing.T) {
		t.Parallel()
		webhooktest.Run(t, webhooktest.Harness{
			Verifier: hook, Now: now, Tolerance: sendgridhook.Tolerance, ByHeaders: true, CoversBody: true,
			Sign: func(at time.Time) ([]byte, map[string]string) {
				body := sendgridsim.Batch(sendgridsim.Event{"event": "delivered", "email": "ada@example.com"})
				return body, signer.Sign(body, at)
			},
		})
	})
}
