package e2e_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/clock"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sesmail"
	"patchbay/core/email"
	"patchbay/tests/gateway"
)

// simulator is a simulated provider that a command serves alone.
type simulator struct {
	cmd   *exec.Cmd
	known map[string]string // what it printed
}

// simulates starts the command, and waits until it has printed its address and its keys.
func simulates(t *testing.T, lines int, args ...string) *simulator {
	t.Helper()
	g := gateway.New(t)
	s := &simulator{cmd: g.Command(t, append([]string{"simulate"}, args...)...), known: map[string]string{}}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // it may have ended
	from := bufio.NewScanner(out)
	for range lines {
		if !from.Scan() {
			t.Fatalf("it printed only %v: %v", s.known, from.Err())
		}
		name, value, _ := strings.Cut(from.Text(), " ")
		s.known[name] = value
	}
	return s
}

// end stops the command as an operator does.
func (s *simulator) end(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func (s *simulator) send(t *testing.T, method, path, kind, authorization, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.known["base_url"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func TestSimulateStripe(t *testing.T) {
	t.Parallel()
	const signed = "whsec_simulate"
	events := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e, err := webhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), signed)
		if err != nil {
			t.Errorf("%v: %s", err, body)
		}
		events <- string(e.Type)
	}))
	t.Cleanup(hook.Close)
	s := simulates(t, 3, "stripe", "--address", "127.0.0.1:0", "--webhooks", hook.URL, "--webhook-secret", signed)
	const form = "amount=2000&currency=usd&confirm=true&payment_method=pm_card_visa" +
		"&automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never"
	kind, bearer := "application/x-www-form-urlencoded", "Bearer "+s.known["secret_key"]
	if status, answer := s.send(t, "POST", "/v1/payment_intents", kind, bearer, form); status != 200 || !strings.Contains(answer, `"status":"succeeded"`) {
		t.Errorf("a payment: %d %s", status, answer)
	}
	if status, answer := s.send(t, "GET", "/v1/payment_intents", kind, bearer, ""); status != 200 || strings.Count(answer, `"object":"payment_intent"`) != 1 {
		t.Errorf("the list: %d %s", status, answer)
	}
	if status, answer := s.send(t, "GET", "/v1/account", kind, bearer, ""); status != 200 || !strings.Contains(answer, s.known["account"]) {
		t.Errorf("the account: %d %s", status, answer)
	}
	if status, _ := s.send(t, "GET", "/v1/account", kind, "Bearer sk_test_other", ""); status != 401 {
		t.Errorf("another key: %d", status)
	}
	for _, want := range []string{"payment_intent.created", "payment_intent.succeeded"} {
		select {
		case got := <-events:
			if got != want {
				t.Errorf("event = %s, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no event %s within 10 s", want)
		}
	}
	s.end(t)
}

// The approval page is at the simulator, and every address of the machine is printed as loopback.
func TestSimulateStripeApprovesAPaymentAtItsOwnPage(t *testing.T) {
	t.Parallel()
	s := simulates(t, 3, "stripe", "--address", "0.0.0.0:0")
	if base := s.known["base_url"]; !strings.HasPrefix(base, "http://127.0.0.1:") {
		t.Errorf("base_url = %q, want http://127.0.0.1:…", base)
	}
	const kind = "application/x-www-form-urlencoded"
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(s.known["secret_key"]+":"))
	_, answer := s.send(t, "POST", "/v1/payment_intents", kind, basic, "amount=2000&currency=usd&confirm=true&payment_method_types[]=card"+
		"&payment_method=pm_card_authenticationRequired&return_url="+s.known["base_url"]+"/v1/back")
	_, rest, found := strings.Cut(answer, `"url":"`+s.known["base_url"])
	path, _, _ := strings.Cut(rest, `"`)
	if !found {
		t.Fatalf("next_action does not lead to the simulator: %s", answer)
	}
	s.send(t, "POST", path, kind, "", "verdict=approve")
	if _, answer := s.send(t, "GET", "/v1/payment_intents", kind, basic, ""); !strings.Contains(answer, `"status":"succeeded"`) {
		t.Errorf("the payment has not succeeded: %s", answer)
	}
	s.end(t)
}

func TestSimulateSendGrid(t *testing.T) {
	t.Parallel()
	s := simulates(t, 2, "sendgrid", "--address", "127.0.0.1:0")
	mail := `{"from":{"email":"shop@example.com"},"subject":"Order 17","personalizations":[{"to":[{"email":"ada@example.com"}]}],` +
		`"content":[{"type":"text/plain","value":"Hello"}],"categories":["welcome"],"tracking_settings":{"click_tracking":{"enable":false,"enable_text":false},"open_tracking":{"enable":false}}}`
	if status, answer := s.send(t, "POST", "/v3/mail/send", "application/json", "Bearer "+s.known["api_key"], mail); status != 202 {
		t.Errorf("a message: %d %s", status, answer)
	}
	if status, answer := s.send(t, "GET", "/simulator/messages", "", "", ""); status != 200 || !strings.Contains(answer, "ada@example.com") || !strings.Contains(answer, "Order 17") || !strings.Contains(answer, `"tags":["welcome"]`) || !strings.Contains(answer, `"tracking":"off"`) {
		t.Errorf("what it delivered: %d %s, want the message with its tag and tracking off", status, answer)
	}
	s.end(t)
}

func TestSimulateResend(t *testing.T) {
	t.Parallel()
	s := simulates(t, 2, "resend", "--address", "127.0.0.1:0")
	mail := `{"from":"shop@example.com","to":["ada@example.com"],"subject":"Order 17","text":"Hello"}`
	if status, answer := s.send(t, "POST", "/emails", "application/json", "Bearer "+s.known["api_key"], mail); status != 200 || !strings.Contains(answer, `"id":`) {
		t.Errorf("a message: %d %s", status, answer)
	}
	if status, answer := s.send(t, "GET", "/simulator/messages", "", "", ""); status != 200 || !strings.Contains(answer, "ada@example.com") || !strings.Contains(answer, "Order 17") || !strings.Contains(answer, `"tags":[]`) {
		t.Errorf("what it delivered: %d %s", status, answer)
	}
	s.end(t)
}

func TestSimulateSES(t *testing.T) {
	t.Parallel()
	s := simulates(t, 4, "ses", "--address", "127.0.0.1:0")
	m, err := sesmail.New(sesmail.Options{
		Name: "ses", Region: s.known["region"], AccessKeyID: s.known["access_key_id"], SecretAccessKey: s.known["secret_access_key"],
		Clock: clock.System{}, HTTP: httpclient.Options{BaseURL: s.known["base_url"]}, Templates: map[string]string{"order": "order-7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	letter := email.Message{
		ID: "msg_1", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}}, Subject: "Order 17", Text: "Hello", MessageID: "1@example.com",
	}
	if _, err := m.Send(t.Context(), letter); err != nil {
		t.Errorf("a message: %v", err)
	}
	s.storeAtSES(t, `{"TemplateName":"order-7","TemplateContent":{"Subject":"Your order {{order}}","Text":"Hello"}}`)
	letter.Subject, letter.Text, letter.TemplateID, letter.TemplateData = "", "", "order", json.RawMessage(`{"order":18}`)
	if _, err := m.Send(t.Context(), letter); err != nil {
		t.Errorf("a message from a template: %v", err)
	}
	if status, answer := s.send(t, "POST", "/v2/email/outbound-emails", "application/json", "", "{}"); status != 403 {
		t.Errorf("a message that is not signed: %d %s, want 403", status, answer)
	}
	if status, answer := s.send(t, "GET", "/simulator/messages", "", "", ""); status != 200 || !strings.Contains(answer, "ada@example.com") || !strings.Contains(answer, "Order 17") {
		t.Errorf("what it delivered: %d %s", status, answer)
	} else if !strings.Contains(answer, "Subject: Your order 18") || !strings.Contains(answer, `"template":{"name":"order-7","variables":{"order":18},"version":""}`) {
		t.Errorf("what it delivered: %s, want the subject of the template, its name and its data", answer)
	}
	s.end(t)
}

// storeAtSES stores a template by the API of SES.
func (s *simulator) storeAtSES(t *testing.T, template string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.known["base_url"]+"/v2/email/templates", strings.NewReader(template))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	key := aws.Credentials{AccessKeyID: s.known["access_key_id"], SecretAccessKey: s.known["secret_access_key"]}
	sum := sha256.Sum256([]byte(template))
	if err := v4.NewSigner().SignHTTP(t.Context(), key, r, hex.EncodeToString(sum[:]), "ses", s.known["region"], time.Now()); err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("a template: got %s, want 200", a.Status)
	}
}

func TestSimulateMailgun(t *testing.T) {
	t.Parallel()
	s := simulates(t, 3, "mailgun", "--address", "127.0.0.1:0")
	body := "--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\nada@example.com\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"message\"; filename=\"m\"\r\n\r\n" +
		"From: shop@example.com\r\nTo: ada@example.com\r\nSubject: Order 17\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b--\r\n"
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("api:"+s.known["api_key"]))
	if status, answer := s.send(t, "POST", "/v3/"+s.known["domain"]+"/messages.mime", "multipart/form-data; boundary=b", basic, body); status != 200 {
		t.Errorf("a message: %d %s", status, answer)
	}
	if status, answer := s.send(t, "GET", "/simulator/messages", "", "", ""); status != 200 || !strings.Contains(answer, "Order 17") {
		t.Errorf("what it delivered: %d %s", status, answer)
	}
	s.end(t)
}

// A configuration can be written before the simulator starts.
func TestWhatASimulatorPrintsCanBeChosen(t *testing.T) {
	t.Parallel()
	for provider, chosen := range map[string]map[string]string{
		"stripe":   {"account": "acct_demo", "secret_key": "sk_test_demo"},
		"sendgrid": {"api_key": "SG.demo"},
		"mailgun":  {"domain": "mg.shop.example", "api_key": "key-demo"},
		"resend":   {"api_key": "re_demo"},
		"ses":      {"region": "eu-central-1", "access_key_id": "AKIADEMO", "secret_access_key": "demo"},
	} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			args := []string{provider}
			for name, value := range chosen {
				args = append(args, "--"+strings.ReplaceAll(name, "_", "-"), value)
			}
			s := simulates(t, 1+len(chosen), args...)
			delete(s.known, "base_url")
			if !maps.Equal(s.known, chosen) {
				t.Errorf("it printed %v, want %v", s.known, chosen)
			}
			s.end(t)
		})
	}
}

// So can what its events are verified by: an account at SendGrid shows a key that belongs to the secret.
func TestASecretGivesASimulatorTheSameKeyEachTime(t *testing.T) {
	t.Parallel()
	for provider, c := range map[string]struct{ name, secret, value string }{
		"stripe":   {"webhook_secret", "whsec_demo", "whsec_demo"},
		"sendgrid": {"webhook_public_key", "demo", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpQW+a4lV2R7gBw2EAkrFuxmmDXOLmwFE2jFSW/L6r92urUsXzufSPl3b8gfI29Vc2eYaiznjeEwzIgcWiCdGaQ=="},
		"mailgun":  {"webhook_signing_key", "demo", "demo"},
		"resend":   {"webhook_secret", "whsec_ZGVtbw==", "whsec_ZGVtbw=="},
	} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			s := simulates(t, len(settings[provider]), provider, "--webhooks", "http://127.0.0.1:9/", "--webhook-secret", c.secret)
			if got := s.known[c.name]; got != c.value {
				t.Errorf("%s = %q, want %q", c.name, got, c.value)
			}
			s.end(t)
		})
	}
}

// TestAPaymentGoesOnWhereTheSimulatorIsAskedToRefuseIt checks a fault that is asked for beside a gateway.
func TestAPaymentGoesOnWhereTheSimulatorIsAskedToRefuseIt(t *testing.T) {
	t.Parallel()
	s := simulates(t, len(settings["stripe"])-1, "stripe")
	g := gateway.Configured(t, `
payments: {providers: [stripe, mock]}
providers: {stripe: {type: stripe}, mock: {type: mock}}
policies: {default: {attempts: 1}}
`, "PATCHBAY_PROVIDERS__STRIPE__BASE_URL="+s.known["base_url"], "PATCHBAY_PROVIDERS__STRIPE__SECRET_KEY="+s.known["secret_key"])
	g.Restart(t)
	if _, waiting := s.faults(t, "POST", "fault=429&times=2"); waiting != `[{"fault":"429","times":2}]` {
		t.Errorf("got %s waiting, want 429 twice", waiting)
	}
	pay := func(key, want string) {
		t.Helper()
		p := g.Do(t, "POST", "/api/payments", object{
			"amount": 2000, "currency": "usd", "paymentMethods": object{"stripe": "pm_card_visa", "mock": "pm_card_visa"}, "confirm": true,
		}, gateway.Key(key))
		if got := attempts(p); p.Status != 201 || got != want {
			t.Errorf("got %d %s, want 201, attempts %q", p.Status, p.Body, want)
		}
	}
	pay("1", "stripe not_executed, mock succeeded")
	if _, waiting := s.faults(t, "DELETE", ""); waiting != "[]" {
		t.Errorf("got %s waiting, want none", waiting)
	}
	pay("2", "stripe succeeded")
}
