package e2e_test

import (
	"database/sql"
	"strings"
	"testing"

	"patchbay/tests/gateway"
)

// keyedGateway is a gateway with an API key for each scope, whose payments wait for the buyer.
type keyedGateway struct {
	shop
	write, read, resolve gateway.Header
}

func newCashDesk(t *testing.T) *keyedGateway {
	t.Helper()
	d := &keyedGateway{shop: newShop(t)}
	d.First.Notify(d.Base+"/api/webhooks/stripe", gateway.FirstSecret)
	for scope, key := range map[string]*gateway.Header{"payments:write,payments:read": &d.write, "payments:read,events:read": &d.read, "payments:resolve": &d.resolve} {
		args := append([]string{"keys", "create", "--name", "test", "--tenant", "default", "--scopes", scope}, d.Args...)
		token, err := d.Command(t, args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		*key = gateway.Header{"Authorization": "Bearer " + strings.TrimSpace(string(token))}
	}
	return d
}

// createUnconfirmed creates a payment that the buyer is to confirm, and returns its client secrets.
func (d *keyedGateway) createUnconfirmed(t *testing.T, key string, more object) (p gateway.Answer, secrets []string) {
	t.Helper()
	p = d.Do(t, "POST", "/api/payments", asked(more), d.write, gateway.Key(key))
	secrets = []string{p.Text("clientSecret"), p.Text("publishableKey")}
	if p.Status != 201 || secrets[0] == "" || secrets[1] == "" {
		t.Fatalf("got %d %s, want 201 and two secrets", p.Status, p.Body)
	}
	if url := p.Text("nextAction", "url"); url != "" {
		secrets = append(secrets, url)
	}
	return p, secrets
}

// wantSecrets fails the test unless an answer contains all of the secrets, or none.
func wantSecrets(t *testing.T, what string, a gateway.Answer, status int, want bool, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		if a.Status != status || strings.Contains(string(a.Body), secret) != want {
			t.Errorf("%s: %d %s\nshows %s: want %v", what, a.Status, a.Body, secret, want)
		}
	}
}

// actionMethods are payments that need an action of the buyer.
var actionMethods = map[string]object{
	"to be confirmed in the browser": nil,
	"sent away to be authenticated": {
		"paymentMethod": "pm_card_authenticationRequired", "confirm": true, "returnUrl": "https://shop.example/back",
	},
}

func TestOnlyAKeyThatMayPaySeesTheClientSecret(t *testing.T) {
	t.Parallel()
	d := newCashDesk(t)
	for name, more := range actionMethods {
		t.Run(name, func(t *testing.T) {
			p, secrets := d.createUnconfirmed(t, name, more)
			path, status := "/api/payments/"+p.Text("id"), p.Text("status")
			for _, read := range []string{path, "/api/payments", "/api/payments?status=" + status, "/api/payments?reference=" + p.Text("providerReference")} {
				wantSecrets(t, "to a reader, "+read, d.Do(t, "GET", read, nil, d.read), 200, false, secrets)
				wantSecrets(t, "to who may pay, "+read, d.Do(t, "GET", read, nil, d.write), 200, true, secrets)
			}
			if want := p.Text("nextAction", "type"); d.Do(t, "GET", path, nil, d.read).Text("nextAction", "type") != want {
				t.Errorf("a reader does not see that the buyer has to %s", want)
			}
			wantSecrets(t, "asked for again", d.Do(t, "POST", path+"/sync", nil, d.write), 200, true, secrets)
			wantSecrets(t, "the key repeated", d.Do(t, "POST", "/api/payments", asked(more), d.write, gateway.Key(name)), 201, true, secrets)
			wantSecrets(t, "where no key is needed", d.Do(t, "GET", path, nil), 200, true, secrets)
			wantSecrets(t, "the feed", d.Do(t, "GET", "/api/events?limit=100", nil, d.read), 200, false, secrets)
		})
	}
}

func asked(more object) object {
	body := object{"amount": 500, "currency": "eur"}
	for name, value := range more {
		body[name] = value
	}
	return body
}

// TestAPaymentThatIsFinalHasNoClientSecret checks that neither reads nor replayed responses contain
// the client secret once the payment is final, since no buyer action remains.
func TestAPaymentThatIsFinalHasNoClientSecret(t *testing.T) {
	t.Parallel()
	d := newCashDesk(t)
	ends := map[string]func(*testing.T, gateway.Answer){
		"succeeded": func(t *testing.T, p gateway.Answer) {
			d.First.Pay(t, p.Text("providerReference"), "pm_card_visa") // in the browser, past the gateway
		},
		"canceled": func(t *testing.T, p gateway.Answer) {
			secrets := []string{p.Text("clientSecret"), p.Text("publishableKey")}
			wantSecrets(t, "the answer of the cancel", d.Do(t, "POST", "/api/payments/"+p.Text("id")+"/cancel", nil, d.write, gateway.Key("cancel"+p.Text("id"))), 200, false, secrets)
		},
	}
	var all []string
	for end, comeTo := range ends {
		for name, more := range actionMethods {
			t.Run(name+", then "+end, func(t *testing.T) {
				key := name + end
				p, secrets := d.createUnconfirmed(t, key, more)
				all = append(all, secrets[0])
				comeTo(t, p)
				path := "/api/payments/" + p.Text("id")
				settled(t, d.Gateway, p.Text("id"), end)
				for _, read := range []string{path, "/api/payments?status=" + end, "/api/payments?reference=" + p.Text("providerReference")} {
					wantSecrets(t, "read", d.Do(t, "GET", read, nil, d.write), 200, false, secrets)
				}
				wantSecrets(t, "asked for again", d.Do(t, "POST", path+"/sync", nil, d.write), 200, false, secrets)
				again := d.Do(t, "POST", "/api/payments", asked(more), d.write, gateway.Key(key))
				wantSecrets(t, "the key repeated", again, 201, false, secrets)
				if again.Text("status") != p.Text("status") || again.Text("nextAction", "type") != p.Text("nextAction", "type") {
					t.Errorf("the first answer was %s, and is %s, want %v, nextAction.type %v", p.Body, again.Body, p.Text("status"), p.Text("nextAction", "type"))
				}
			})
		}
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", d.Data("patchbay.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	kept := read(t, db, "SELECT body FROM record WHERE kind = 'payment'")
	if len(kept) != len(all) {
		t.Fatalf("%d payments are kept, want %d", len(kept), len(all))
	}
	for _, row := range kept {
		for _, secret := range all {
			if strings.Contains(row[0], secret) {
				t.Errorf("the secret is kept: got %s, want no %q in it", row[0], secret)
			}
		}
	}
}
