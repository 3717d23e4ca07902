package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/adapters/mail/mailgunmail"
	"patchbay/adapters/mail/resendmail"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/config"
)

// publicKey is one as SendGrid shows it: that of its library's tests.
const publicKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="

// A key of webhooks at two providers is a mistake, and is told where it stands.
func TestAWebhookKeySharedByTwoProvidersIsRefused(t *testing.T) {
	t.Parallel()
	all := append(types(), mailgunmail.Provider, sendgridmail.Provider, resendmail.Provider)
	for name, c := range map[string]struct{ of, want string }{
		"mailgun":  {"type: mailgun, domain: mg.example.com, api_key: '${KEY}', webhook_signing_keys: ['${SIGNING}']", "providers.b.webhook_signing_keys[0]"},
		"sendgrid": {"type: sendgrid, api_key: '${KEY}', webhook_public_keys: ['${PUBLIC}']", "providers.b.webhook_public_keys[0]"},
		"resend":   {"type: resend, api_key: '${KEY}', webhook_secrets: ['${SECRET}']", "providers.b.webhook_secrets[0]"},
	} {
		file := filepath.Join(t.TempDir(), name+".yaml")
		text := fmt.Sprintf("mail: {providers: [a, b]}\nproviders:\n  a: {%s}\n  b: {%s}\n", c.of, c.of)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(file, []string{"KEY=key_1", "SIGNING=key_2", "PUBLIC=" + publicKey, "SECRET=whsec_dGVzdA=="}, all)
		if want := c.want + `: is a secret of "a" too: an event must speak for one account`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		// Variables that are not set are reported by themselves, not as a secret that two share.
		_, err = config.Load(file, []string{"KEY=key_1", "SIGNING=", "PUBLIC=", "SECRET="}, all)
		if err != nil && strings.Contains(err.Error(), `is a secret of "a" too`) {
			t.Errorf("%s with empty variables: error = %v, want nothing about a shared secret", name, err)
		}
	}
}
