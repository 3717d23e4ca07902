package e2e_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/tests/gateway"
)

// shopOn is a gateway with one Stripe account, which is identified by its key alone.
func shopOn(t testing.TB, sim *stripesim.Sim, more string) *gateway.Gateway {
	t.Helper()
	g := gateway.Configured(t, fmt.Sprintf(`
payments: {providers: [stripe]}
providers:
  stripe: {type: stripe, secret_key: "${KEY}", base_url: %q%s}
policies:
  payments: {timeout: 1s, attempts: 1, breaker: {minimum_calls: 1000}}
`, sim.URL(), more), "KEY="+sim.Key())
	g.Restart(t)
	return g
}

func withKey(t testing.TB, g *gateway.Gateway, key string) {
	t.Helper()
	g.Kill()
	g.Env = append(g.Env, "KEY="+key) // the last one counts
	g.Restart(t)
}

// TestAnotherAccountUnderTheSameNameIsNotAsked checks that a request whose response was lost is not
// repeated at another account that now has the same provider name. With a new key of the same
// account it is repeated.
func TestAnotherAccountUnderTheSameNameIsNotAsked(t *testing.T) {
	t.Parallel()
	first := stripesim.Start(t, stripesim.Options{})
	second := first.Open(t, stripesim.Options{})
	g := shopOn(t, first, "")
	knows := func(account string) {
		t.Helper()
		gateway.Eventually(t, 10*time.Second, "the account is known", func() bool {
			return strings.Contains(g.Log(), account)
		})
	}
	knows(first.Account())
	first.Inject(committed(faultserver.Reset()))
	first.Inject(faultserver.Fault{Standing: true, Mishap: stripesim.BadGateway()})
	pays := func() gateway.Answer {
		return g.Do(t, "POST", "/api/payments", pay("pm_card_visa"), gateway.Key("lost"))
	}
	if a := pays(); a.Status != 202 || len(first.Book()) != 1 {
		t.Fatalf("got %d %s, with %d intents, want 202, 1 book entry", a.Status, a.Body, len(first.Book()))
	}

	withKey(t, g, second.Key())
	first.Heal()
	knows(second.Account())
	a := pays()
	if a.Status != 202 || len(second.Book()) != 0 {
		t.Errorf("of another account: got %d %s, with %d intents, want 202, no book entries", a.Status, a.Body, len(second.Book()))
	}
	gateway.Eventually(t, 20*time.Second, "a person is asked for", func() bool {
		return bytes.Contains(g.Do(t, "GET", "/api/payments/"+a.Text("id"), nil).Body, []byte(`"needsReview":true`))
	})

	withKey(t, g, first.Roll())
	gateway.Eventually(t, time.Minute, "the payment is settled", func() bool {
		a = pays()
		return a.Status == 201
	})
	if a.Text("status") != "succeeded" || len(first.Book()) != 1 || len(second.Book()) != 0 {
		t.Errorf("%s, with %d intents, and %d at the other account, want succeeded, 1 book entry, no book entries", a.Body, len(first.Book()), len(second.Book()))
	}
}

// TestAKeyThatMayNotReadItsAccountPays checks that a secret key without permission to read its
// account is logged once, and that payments work with it. If the account id is configured, nothing
// is logged.
func TestAKeyThatMayNotReadItsAccountPays(t *testing.T) {
	t.Parallel()
	sim := stripesim.Start(t, stripesim.Options{})
	sim.Restrict()
	g := shopOn(t, sim, "")
	gateway.Eventually(t, 10*time.Second, "the log has the warning", func() bool {
		return strings.Contains(g.Log(), "account is not known yet")
	})
	g.Do(t, "POST", "/api/payments", pay("pm_card_visa"), gateway.Key("a")).HasStatus(t, 201)
	configured := shopOn(t, sim, ", account: "+sim.Account())
	gateway.Eventually(t, 10*time.Second, "the account is known", func() bool {
		return strings.Contains(configured.Log(), sim.Account())
	})
	if strings.Contains(configured.Log(), "not known") {
		t.Errorf("it was asked for, want no \"not known\" in it:\n%s", configured.Log())
	}
}
