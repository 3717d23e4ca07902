package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// seen waits until the gateway has stored, beside its store, how far the feed has come.
func seen(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	gateway.Eventually(t, 20*time.Second, "the feed is followed", func() bool {
		var kept map[string]struct {
			Seq int `json:"seq"`
		}
		raw, err := os.ReadFile(g.Data("seen.json"))
		return err == nil && json.Unmarshal(raw, &kept) == nil && kept["local"].Seq == len(g.Do(t, "GET", "/api/events?limit=100", nil).Data())
	})
}

// TestMailAfterAnOlderFileWasPutBack checks mail after a restore. The restored store does not know
// which mail was sent since. A queued message that must not be sent twice is not sent when it is
// due; it is shown as unknown.
func TestMailAfterAnOlderFileWasPutBack(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]func(t *testing.T, p *mailGateway) (kept string){
		"a backup": func(t *testing.T, p *mailGateway) string {
			file := filepath.Join(t.TempDir(), "kept.db")
			p.Backup(t, file)
			return file
		},
		"a copy of its files": func(t *testing.T, p *mailGateway) string {
			dir := t.TempDir()
			stop(t, p)
			p.CopyStore(t, dir)
			p.Restart(t)
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newMailGateway(t, "sendgrid")
			p.sendgrid.Refuse()
			once := p.send(t, "once", object{"delivery": "at_most_once"})
			twice := p.send(t, "twice", object{"delivery": "at_least_once"})
			later := p.send(t, "later", object{"delivery": "at_most_once", "sendAt": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
			for _, m := range []gateway.Answer{once, twice} {
				gateway.Eventually(t, 20*time.Second, "it was tried", func() bool {
					return attempts(p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)) == "sendgrid not_accepted"
				})
			}
			kept := keep(t, p)
			p.sendgrid.Resume()
			for _, m := range []gateway.Answer{once, twice} {
				p.becomes(t, m, "sent", "sendgrid not_accepted, sendgrid accepted")
			}
			seen(t, p.Gateway)
			stop(t, p)
			p.PutBack(t, kept)
			for range 2 { // it does not forget
				p.Restart(t)
				p.becomes(t, once, "unknown", "sendgrid not_accepted")
				p.becomes(t, twice, "sent", "sendgrid not_accepted, sendgrid accepted")
				if a := p.Do(t, "GET", "/api/emails/"+later.Text("id"), nil); a.Text("status") != "queued" {
					t.Errorf("what is not due: got %s, want queued", a.Body)
				}
				if at := p.Metric(t, "patchbay_store_restored_timestamp_seconds"); at == "0" {
					t.Error("the time of the restore: got 0, want one")
				}
				stop(t, p)
			}
			if n := len(p.sendgrid.Delivered()); n != 3 {
				t.Errorf("%d messages went out, want one of the first, and two of the second", n)
			}
			// Later messages are not affected.
			p.Restart(t)
			p.becomes(t, p.send(t, "new", object{"delivery": "at_most_once"}), "sent", "sendgrid accepted")
		})
	}
}

func stop(t *testing.T, p *mailGateway) {
	t.Helper()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
}

// TestAStoreThatWasCopiedFromABackupIsAnOlderOne checks that a restored backup is recognized as
// such after it was copied to another store.
func TestAStoreThatWasCopiedFromABackupIsAnOlderOne(t *testing.T) {
	t.Parallel()
	g := gateway.Configured(t, `
providers:
  here: {type: sqlite, path: data/here/patchbay.db}
  fresh: {type: sqlite, path: data/fresh/patchbay.db}
  mock: {type: mock, webhook_secrets: ["${MOCK_WEBHOOK_SECRET}"]}
`, "MOCK_WEBHOOK_SECRET="+gateway.Secret)
	environ := g.Env
	g.Env = append(environ[:len(environ):len(environ)], "PATCHBAY_STORAGE__PROVIDER=here")
	g.Restart(t)
	kept := filepath.Join(t.TempDir(), "kept.db")
	g.Backup(t, kept)
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(kept)
	if err == nil {
		err = os.WriteFile(g.Data("here/patchbay.db"), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, rest := range []string{"-wal", "-shm"} {
		_ = os.Remove(g.Data("here/patchbay.db" + rest))
	}
	if out, err := g.Command(t, append([]string{"storage", "copy", "--from", "here", "--to", "fresh"}, g.Args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	g.Env = append(environ[:len(environ):len(environ)], "PATCHBAY_STORAGE__PROVIDER=fresh")
	g.Restart(t)
	if at := g.Metric(t, "patchbay_store_restored_timestamp_seconds"); at == "" || at == "0" {
		t.Errorf("it was put back at %q, want a time", at)
	}
}

// TestPaymentsOfARemovedProviderAreUnknownAfterARestore checks a restore after a provider was
// removed from the configuration. The payments made there since the backup are unknown, so nothing
// is charged at another provider until the operator allows it.
func TestPaymentsOfARemovedProviderAreUnknownAfterARestore(t *testing.T) {
	t.Parallel()
	g := gateway.Configured(t, "payments: {providers: [first, second]}\nproviders: {first: {type: mock}, second: {type: mock}}\n")
	environ := g.Env
	g.Restart(t)
	kept := filepath.Join(t.TempDir(), "kept.db")
	g.Backup(t, kept)
	pay := func(first string) gateway.Answer {
		return g.Do(t, "POST", "/api/payments", object{
			"amount": 500, "currency": "usd", "confirm": true,
			"paymentMethods": object{"first": first, "second": "pm_card_visa"},
		}, gateway.Key("k"))
	}
	if a := pay("pm_mock_refused"); a.Status != 201 || a.Text("provider") != "second" {
		t.Fatalf("got %s, want it paid at second", a)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g.PutBack(t, kept)
	g.Env = append(environ[:len(environ):len(environ)], "PATCHBAY_PAYMENTS__PROVIDERS=first")
	g.Restart(t)
	gateway.Eventually(t, 10*time.Second, "the log says that no payment is made", func() bool { return strings.Contains(g.Log(), "is not configured; no payment is made until it is") })
	if a := pay("pm_card_visa"); a.Status != 503 || a.Code() != "restored_store" {
		t.Errorf("got %s, want it held", a)
	}
	if held := g.Metric(t, "patchbay_payments_held"); held != "1" {
		t.Errorf("held: got %s, want 1", held)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g.Env = append(g.Env, "PATCHBAY_PAYMENTS__SKIP_AFTER_RESTORE=second")
	g.Restart(t)
	gateway.Eventually(t, 10*time.Second, "the log says that a provider is skipped", func() bool {
		return strings.Contains(g.Log(), "payments.skip_after_restore names it")
	})
}
