package e2e_test

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/resendsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/sessim"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/tests/gateway"
	"patchbay/tests/sendgridapi"
)

// secretsRun is a gateway with keys of all providers, and everything that it has answered, logged and
// written.
type secretsRun struct {
	*gateway.Gateway
	stripe   *stripesim.Sim
	sendgrid *sendgridsim.Sim
	mailgun  *mailgunsim.Sim
	resend   *resendsim.Sim
	ses      *sessim.Sim
	secrets  map[string]string // by what they are

	mu      sync.Mutex
	outputs map[string]string
}

func newCanary(t *testing.T) *secretsRun {
	t.Helper()
	c := &secretsRun{
		stripe: stripesim.Start(t, stripesim.Options{}), sendgrid: sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)}),
		mailgun: mailgunsim.Start(t, mailgunsim.Options{}), resend: resendsim.Start(t, resendsim.Options{}),
		ses: sessim.Start(t, sessim.Options{}), outputs: map[string]string{},
	}
	c.secrets = map[string]string{
		"Stripe's key": c.stripe.Key(), "SendGrid's key": c.sendgrid.Key(), "Mailgun's key": c.mailgun.Key(), "Resend's key": c.resend.Key(), "SES's key": c.ses.Key(),
		"Mailgun's key as it is sent": base64.StdEncoding.EncodeToString([]byte("api:" + c.mailgun.Key())),
		"the webhook secret":          gateway.FirstSecret,
	}
	c.Gateway = gateway.Configured(t, fmt.Sprintf(`
log: {level: debug}
payments: {providers: [stripe]}
mail: {providers: [sendgrid, mailgun, ses, resend], from: shop@example.com}
providers:
  stripe: {type: stripe, secret_key: "${STRIPE}", webhook_secrets: ["${HOOK}"], base_url: %q}
  sendgrid: {type: sendgrid, api_key: "${SENDGRID}", base_url: %q}
  mailgun: {type: mailgun, domain: %s, api_key: "${MAILGUN}", base_url: %q}
  ses: {type: ses, region: us-east-1, access_key_id: %s, secret_access_key: "${SES}", base_url: %q}
  resend: {type: resend, api_key: "${RESEND}", base_url: %q}
policies:
  default: {timeout: 300ms, attempts: 1, breaker: {minimum_calls: 100000}}
`, c.stripe.URL(), c.sendgrid.URL(), c.mailgun.Domain(), c.mailgun.URL(), c.ses.KeyID(), c.ses.URL(), c.resend.URL()),
		"STRIPE="+c.stripe.Key(), "SENDGRID="+c.sendgrid.Key(), "MAILGUN="+c.mailgun.Key(), "RESEND="+c.resend.Key(), "SES="+c.ses.Key(), "HOOK="+gateway.FirstSecret)
	c.Restart(t)
	return c
}

// ask makes a request and records the answer.
func (c *secretsRun) ask(t testing.TB, name, method, path string, body any) gateway.Answer {
	t.Helper()
	a := c.Do(t, method, path, body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outputs["the answer to "+method+" "+path+" while it "+name] += fmt.Sprintln(a.Header, string(a.Body))
	return a
}

// account is a provider, and the key that it gets and may quote.
type account struct {
	*faultserver.Server
	key string
}

// faults are the faults of a provider, among them answers that quote its key.
func faults() map[string]func(account) {
	all := map[string]func(account){"refuses": func(a account) { a.Refuse() }}
	befalls := func(name string, f faultserver.Fault) { all[name] = func(a account) { a.Inject(f) } }
	befalls("resets", once(faultserver.Reset()))
	befalls("resets after", after(faultserver.Reset()))
	befalls("ends early", after(faultserver.Truncate()))
	befalls("hangs", once(faultserver.Hang()))
	befalls("hangs after", after(faultserver.Hang()))
	befalls("answers nonsense", after(stripesim.Malformed()))
	befalls("answers HTML", once(stripesim.BadGateway()))
	for _, status := range []int{200, 202, 204, 302, 400, 401, 402, 403, 404, 409, 413, 429, 500, 502, 503} {
		all[fmt.Sprint("quotes its key in a ", status)] = func(a account) {
			header := map[string]string{"X-Echo": a.key, "Location": "http://127.0.0.1:1/" + a.key, "Content-Type": "application/json"}
			a.Inject(once(faultserver.Answer(status, header, fmt.Sprintf(`{"id":%q,"message":%[1]q,"errors":[{"message":%[1]q,"field":%[1]q}],`+
				`"error":{"type":"invalid_request_error","code":%[1]q,"decline_code":%[1]q,"param":%[1]q,"message":%[1]q}}`, a.key))))
		}
	}
	return all
}

func TestNoSecretIsLoggedAnsweredOrStored(t *testing.T) {
	t.Parallel()
	c := newCanary(t)
	for name, befall := range faults() {
		c.failPayments(t, name, befall)
		c.failMail(t, name, befall)
	}
	for _, path := range []string{"/api/payments", "/api/emails", "/api/events", "/api/events?limit=100", "/readyz", "/openapi.json"} {
		c.ask(t, "is read", "GET", path, nil)
	}
	for _, path := range []string{"/", "/admin/keys"} {
		c.outputs["the page "+path] = string(c.Gateway.AskAsOperator(t, path).Body)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	c.outputs["the log"] = c.Log()
	c.files(t)
	if len(c.outputs) < 100 {
		t.Fatalf("%d outputs were collected, want at least 100", len(c.outputs))
	}
	for where, text := range c.outputs {
		for what, secret := range c.secrets {
			if strings.Contains(text, secret) {
				i := strings.Index(text, secret)
				t.Errorf("%s is in %s: …%q…, want no %q in it", what, where, text[max(0, i-80):min(len(text), i+20)], secret)
			}
		}
	}
}

// failPayments makes each operation on a payment meet the fault.
func (c *secretsRun) failPayments(t *testing.T, name string, befall func(account)) {
	t.Helper()
	held := c.ask(t, "is well", "POST", "/api/payments", pay("pm_card_visa", object{"captureMethod": "manual"}))
	if held.Status != 201 {
		t.Fatalf("before it %s: got %d %s, want 201", name, held.Status, held.Body)
	}
	path := "/api/payments/" + held.Text("id")
	for _, step := range []struct {
		path string
		body any
	}{
		{"/api/payments", pay("pm_card_visa")},
		{path + "/capture", object{"amount": 900}},
		{path + "/refunds", object{"amount": 100}},
		{path + "/cancel", nil},
	} {
		befall(account{c.stripe.Server, c.stripe.Key()})
		a := c.ask(t, name, "POST", step.path, step.body)
		if id := a.Text("id"); strings.HasPrefix(id, "pay_") {
			c.ask(t, name, "GET", "/api/payments/"+id, nil)
		}
		c.stripe.Heal()
	}
	c.ask(t, name, "GET", path, nil)
}

// failMail makes an email meet the fault at all providers. Where its outcome is in doubt at Resend, the
// call is to be repeated, and the attempt stays open.
func (c *secretsRun) failMail(t *testing.T, name string, befall func(account)) {
	t.Helper()
	befall(account{c.sendgrid.Server, c.sendgrid.Key()})
	befall(account{c.mailgun.Server, c.mailgun.Key()})
	befall(account{c.ses.Server, c.ses.Key()})
	befall(account{c.resend.Server, c.resend.Key()})
	m := c.ask(t, name, "POST", "/api/emails", object{"to": []string{"ada@example.com"}, "subject": name, "text": "Hello"})
	gateway.Eventually(t, 10*time.Second, "the message was tried while a provider "+name, func() bool {
		a := c.ask(t, name, "GET", "/api/emails/"+m.Text("id"), nil)
		list, _ := a.JSON["attempts"].([]any)
		if len(list) == 0 {
			return false
		}
		last, _ := list[len(list)-1].(object)
		return last["outcome"] != "attempting" && a.Text("status") != "sending" || last["outcome"] == "attempting" && last["code"] != nil
	})
	c.sendgrid.Heal()
	c.mailgun.Heal()
	c.ses.Heal()
	c.resend.Heal()
}

// files reads all files that the gateway has written.
func (c *secretsRun) files(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(c.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		c.outputs["the file "+entry.Name()] += string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.outputs["the file patchbay.db"] == "" {
		t.Fatal("got no file patchbay.db, want one")
	}
}
