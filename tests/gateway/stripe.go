package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/stripesim"
)

// The secrets with which the two accounts of a Shop sign their webhooks.
const (
	FirstSecret  = "whsec_first_0123456789abcdef"  //nolint:gosec // for tests
	SecondSecret = "whsec_second_0123456789abcdef" //nolint:gosec // for tests
)

// Shop is a gateway in front of two accounts at Stripe, "stripe" and "stripe-eu".
type Shop struct {
	*Gateway
	First, Second *stripesim.Sim

	config string
	env    []string
}

// ShopOptions are the options of a Shop. Zero means the default.
type ShopOptions struct {
	Database string           // the settings of the storage provider; a SQLite file by default
	Policies []string         // lines of the policies section
	Mail     []string         // the mail providers, in order
	Others   []string         // more providers, one line each
	Env      []string         // environment variables that the lines refer to
	Now      func() time.Time // the clock of both accounts
}

// StartShop starts a Shop with these lines of policies, and waits until it is ready. Its
// configuration names the account ids, so that Stripe receives no requests but those that a test
// causes.
func StartShop(t testing.TB, policies ...string) *Shop {
	t.Helper()
	s := NewShop(t, ShopOptions{Policies: policies})
	s.Restart(t)
	return s
}

// NewShop prepares a Shop without starting its gateway.
func NewShop(t testing.TB, o ShopOptions) *Shop {
	t.Helper()
	first, second := stripesim.Start(t, stripesim.Options{Now: o.Now}), stripesim.Start(t, stripesim.Options{Now: o.Now})
	if o.Database == "" {
		o.Database = "{type: sqlite, path: data/patchbay.db}"
	}
	if len(o.Mail) == 0 {
		o.Mail = []string{"catcher"}
	}
	s := &Shop{
		First: first, Second: second, config: fmt.Sprintf(`
payments: {providers: [stripe, stripe-eu]}
mail: {providers: [%s]}
storage: {provider: store}
providers:
  store: %s
  stripe: {type: stripe, secret_key: "${FIRST_KEY}", publishable_key: pk_test_first, webhook_secrets: ["${FIRST_SECRET}"], account: %s, base_url: %q}
  stripe-eu: {type: stripe, secret_key: "${SECOND_KEY}", webhook_secrets: ["${SECOND_SECRET}"], account: %s, base_url: %q}
  %s
policies:
  %s
`, strings.Join(o.Mail, ", "), o.Database, first.Account(), first.URL(), second.Account(), second.URL(), strings.Join(o.Others, "\n  "), strings.Join(o.Policies, "\n  ")),
		env: append([]string{
			"FIRST_KEY=" + first.Key(), "SECOND_KEY=" + second.Key(), "FIRST_SECRET=" + FirstSecret, "SECOND_SECRET=" + SecondSecret,
		}, o.Env...),
	}
	s.Gateway = Configured(t, s.config, s.env...)
	return s
}

// Twin prepares another gateway on the same database. The first must have been started before.
func (s *Shop) Twin(t testing.TB) *Gateway {
	t.Helper()
	twin := Configured(t, s.config, s.env...)
	twin.TakeSecrets(t, s.Gateway)
	return twin
}
