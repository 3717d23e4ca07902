package gateway

import (
	"fmt"
	"strings"
	"testing"

	"patchbay/tests/stripesim"
)

// The secrets that the two accounts of a Shop sign their webhooks with.
const (
	FirstSecret  = "whsec_first_0123456789abcdef"  //nolint:gosec // for tests
	SecondSecret = "whsec_second_0123456789abcdef" //nolint:gosec // for tests
)

// Shop is a gateway in front of two accounts at Stripe, "stripe" and "stripe-eu".
type Shop struct {
	*Gateway
	First, Second *stripesim.Sim
}

// StartShop starts one, with these lines of policies. It knows its accounts, so that
// all it asks of Stripe is asked for.
func StartShop(t testing.TB, policies ...string) *Shop {
	t.Helper()
	s := &Shop{First: stripesim.Start(t, stripesim.Options{}), Second: stripesim.Start(t, stripesim.Options{})}
	s.Gateway = Configured(t, fmt.Sprintf(`
payments: {providers: [stripe, stripe-eu]}
providers:
  stripe: {type: stripe, secret_key: "${FIRST_KEY}", publishable_key: pk_test_first, webhook_secrets: ["${FIRST_SECRET}"], account: %s, base_url: %q}
  stripe-eu: {type: stripe, secret_key: "${SECOND_KEY}", webhook_secrets: ["${SECOND_SECRET}"], account: %s, base_url: %q}
policies:
  %s
`, s.First.Account(), s.First.URL(), s.Second.Account(), s.Second.URL(), strings.Join(policies, "\n  ")),
		"FIRST_KEY="+s.First.Key(), "SECOND_KEY="+s.Second.Key(), "FIRST_SECRET="+FirstSecret, "SECOND_SECRET="+SecondSecret)
	s.Restart(t)
	return s
}
