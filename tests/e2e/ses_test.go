package e2e_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sessim"
	"patchbay/tests/gateway"
)

// sesGateway is a gateway with SES and Mailgun, and a way to SNS that leads to a simulated topic.
type sesGateway struct {
	*mailGateway
	ses   *sessim.Sim
	topic *sessim.Topic
	way   *wayOut
}

// newSESGateway starts a gateway whose providers are tried in this order, with one attempt of at most ten
// seconds each.
func newSESGateway(t testing.TB, order string) *sesGateway {
	t.Helper()
	topic := sessim.NewTopic("eu-west-1", time.Now())
	p := &sesGateway{
		mailGateway: &mailGateway{mailgun: mailgunsim.Start(t, mailgunsim.Options{})},
		ses:         sessim.Start(t, sessim.Options{Region: "eu-west-1"}), topic: topic, way: newWayOut(t, topic.Host(), topic),
	}
	p.Gateway = gateway.Configured(t, fmt.Sprintf(`
mail: {providers: [%s], from: shop@example.com}
providers:
  ses: {type: ses, region: eu-west-1, access_key_id: %s, secret_access_key: "${SES_KEY}", webhook_topics: [%q], base_url: %q}
  mailgun: {type: mailgun, domain: %s, api_key: "${MAILGUN_KEY}", base_url: %q}
policies:
  mail: {timeout: 10s, attempts: 1}
`, order, p.ses.KeyID(), topic.ARN, p.ses.URL(), p.mailgun.Domain(), p.mailgun.URL()),
		"SES_KEY="+p.ses.Key(), "MAILGUN_KEY="+p.mailgun.Key(), "HTTPS_PROXY="+p.way.url, "SSL_CERT_FILE="+p.way.authority)
	p.Restart(t)
	return p
}

// wayOut is a proxy that leads every connection to one handler, which has a certificate for a host.
type wayOut struct {
	url       string
	authority string // a file with the certificate, which is its own authority
}

func newWayOut(t testing.TB, host string, handler http.Handler) *wayOut {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tunnels := &tunnelListener{Listener: listener, config: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
	server := &http.Server{Handler: handler}
	go server.Serve(tunnels)
	t.Cleanup(func() { _ = server.Close() })
	return &wayOut{url: "http://" + listener.Addr().String(), authority: file}
}

// tunnelListener accepts connections that begin with CONNECT, and continues them by TLS.
type tunnelListener struct {
	net.Listener
	config *tls.Config
}

// Accept implements net.Listener.
func (l *tunnelListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if _, err := http.ReadRequest(bufio.NewReaderSize(conn, 16)); err == nil { // a client waits before it says more
		_, _ = fmt.Fprint(conn, "HTTP/1.1 200 OK\r\n\r\n")
	}
	return tls.Server(conn, l.config), nil
}

// TestMailGoesIntoAndOutOfSES checks where mail goes after an answer of SES, and if there is none.
func TestMailGoesIntoAndOutOfSES(t *testing.T) {
	t.Parallel()
	inject := func(f faultserver.Fault) func(*sesGateway) {
		return func(p *sesGateway) { p.ses.Inject(f) }
	}
	for _, c := range []struct {
		name, order, delivery string
		befalls               func(p *sesGateway)
		status, tries         string
		ses, mailgun          int // copies
	}{
		{"SES takes the message", "ses, mailgun", "at_most_once", func(*sesGateway) {}, "sent", "ses accepted", 1, 0},
		{"SES refuses connections", "ses, mailgun", "at_most_once", func(p *sesGateway) { p.ses.Refuse() }, "sent", "ses not_accepted, mailgun accepted", 0, 1},
		{"SES refuses the key", "ses, mailgun", "at_most_once", inject(once(sessim.Unauthorized())), "sent", "ses provider_unusable, mailgun accepted", 0, 1},
		{"the clock is wrong", "ses, mailgun", "at_most_once", inject(once(sessim.Skewed())), "sent", "ses provider_unusable, mailgun accepted", 0, 1},
		{"sending is paused", "ses, mailgun", "at_most_once", inject(once(sessim.Paused())), "sent", "ses provider_unusable, mailgun accepted", 0, 1},
		{"the quota of the day is used up", "ses, mailgun", "at_most_once", inject(once(sessim.QuotaExceeded())), "sent", "ses provider_unusable, mailgun accepted", 0, 1},
		{"the rate is exceeded", "ses, mailgun", "at_most_once", inject(once(sessim.RateLimited())), "sent", "ses not_accepted, mailgun accepted", 0, 1},
		{"SES does not know the sender", "ses, mailgun", "at_most_once", inject(once(sessim.UnverifiedSender("shop@example.com"))), "sent", "ses refused_here, mailgun accepted", 0, 1},
		{"the account is in the sandbox", "ses, mailgun", "at_most_once", inject(once(sessim.UnverifiedSender("ada@example.com"))), "sent", "ses refused_here, mailgun accepted", 0, 1},
		{"SES refuses the recipient", "ses, mailgun", "at_most_once", inject(once(sessim.BadRecipient())), "failed", "ses rejected_message", 0, 0},
		{"SES takes it, and does not answer", "ses, mailgun", "at_most_once", inject(after(faultserver.Reset())), "unknown", "ses ambiguous", 1, 0},
		{"SES takes it, and a proxy refuses", "ses, mailgun", "at_most_once", inject(after(faultserver.Page(403))), "unknown", "ses ambiguous", 1, 0},
		{"SES takes it, does not answer, and it may go twice", "ses, mailgun", "at_least_once", inject(after(faultserver.Reset())), "sent", "ses ambiguous, mailgun accepted", 1, 1},
		{"Mailgun refuses the key", "mailgun, ses", "at_most_once", func(p *sesGateway) { p.mailgun.Inject(once(mailgunsim.Unauthorized())) }, "sent", "mailgun provider_unusable, ses accepted", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newSESGateway(t, c.order)
			c.befalls(p)
			p.becomes(t, p.send(t, "k", object{"delivery": c.delivery}), c.status, c.tries)
			wantCopies(t, "SES", p.ses, c.ses)
			wantCopies(t, "Mailgun", p.mailgun, c.mailgun)
		})
	}
}

// publish makes SES publish an event about the last message that it accepted, under an id of SNS.
func (p *sesGateway) publish(t testing.TB, id, name string, recipients []string, more sessim.Event, each ...sessim.Event) {
	t.Helper()
	at := time.Now().Add(-time.Second).Truncate(time.Second)
	e := p.topic.Notification(id, string(sessim.Body(sessim.EventOf(lastOf(t, p.ses.Messages()), name, recipients, at, more, each...))), at)
	p.wantAccepted(t, "/api/webhooks/ses", p.topic.Sign(e, "1"), p.topic.Headers(e))
}

// TestTheFateOfAnEmailBySESIsShown checks the whole way of an event: the subscription, the certificate
// that the gateway fetches from SNS, and what the API shows.
func TestTheFateOfAnEmailBySESIsShown(t *testing.T) {
	t.Parallel()
	p := newSESGateway(t, "ses")
	asked := p.topic.Subscription(time.Now())
	p.wantAccepted(t, "/api/webhooks/ses", p.topic.Sign(asked, "2"), p.topic.Headers(asked))
	if n := p.topic.Confirmed(); n != 1 {
		t.Errorf("the subscription was confirmed %d times, want once", n)
	}
	m := p.send(t, "k", object{"cc": []string{"eve@bücher.example"}, "tags": []string{"welcome"}, "metadata": object{"order": "17"}})
	p.becomes(t, m, "sent", "ses accepted")
	p.publish(t, "1", "Bounce", []string{"ada@example.com"}, sessim.Event{"bounceType": "Permanent", "bounceSubType": "General"}, sessim.Event{
		"action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 <ada@example.com> no such user",
	})
	p.publish(t, "2", "Teleport", nil, nil)
	p.publish(t, "3", "Delivery", []string{"eve@xn--bcher-kva.example"}, nil)
	shown := p.recipient(t, m, 0, "bounced")
	if shown["reason"] != "Permanent General smtp; 550 5.1.1 <[…]> no such user" || shown["code"] != "5.1.1" || shown["provider"] != "ses" {
		t.Errorf("got %v, want the reason with the address blanked, the code 5.1.1 and the provider ses", shown)
	}
	p.recipient(t, m, 1, "delivered")
	p.waitForEvents(t, m, "delivered", 1)
	if n := p.topic.Served(); n != 1 {
		t.Errorf("the certificate was fetched %d times, want once", n)
	}
}

// TestTheSameNewsOfSESTwiceIsStillOne sends an event again, as SNS does and as SES does.
func TestTheSameNewsOfSESTwiceIsStillOne(t *testing.T) {
	t.Parallel()
	p := newSESGateway(t, "ses")
	m := p.send(t, "k")
	p.becomes(t, m, "sent", "ses accepted")
	at := time.Now().Truncate(time.Second)
	opened := func(link string) string {
		return string(sessim.Body(sessim.EventOf(lastOf(t, p.ses.Messages()), "Click", nil, at, sessim.Event{"link": link})))
	}
	for _, id := range []string{"1", "1", "2"} {
		e := p.topic.Notification(id, opened("https://example.com/a"), at)
		p.wantAccepted(t, "/api/webhooks/ses", p.topic.Sign(e, "2"), p.topic.Headers(e))
	}
	p.waitForEvents(t, m, "clicked", 1)
	e := p.topic.Notification("3", opened("https://example.com/b"), at)
	p.wantAccepted(t, "/api/webhooks/ses", p.topic.Sign(e, "2"), p.topic.Headers(e))
	p.waitForEvents(t, m, "clicked", 2)
	p.publish(t, "4", "Delivery", []string{"ada@example.com"}, nil) // it is very likely applied after the others
	p.waitForEvents(t, m, "delivered", 1)
	p.waitForEvents(t, m, "clicked", 2)
}

func TestAWebhookOfSESThatIsNotRight(t *testing.T) {
	t.Parallel()
	p := newSESGateway(t, "ses")
	m := p.send(t, "k")
	p.becomes(t, m, "sent", "ses accepted")
	now := time.Now()
	bounced := string(sessim.Body(sessim.EventOf(lastOf(t, p.ses.Messages()), "Bounce", []string{"ada@example.com"}, now, sessim.Event{"bounceType": "Permanent"})))
	right := p.topic.Notification("1", bounced, now)
	other := sessim.NewTopic("eu-west-1", now)
	old := p.topic.Notification("1", bounced, now.Add(-71*time.Minute))
	for name, c := range map[string]struct {
		body    []byte
		headers gateway.Header
	}{
		"unsigned":           {sessim.Body(right), p.topic.Headers(right)},
		"by another key":     {other.Sign(right, "2"), p.topic.Headers(right)},
		"71 minutes old":     {p.topic.Sign(old, "2"), p.topic.Headers(old)},
		"for another topic":  {p.topic.Sign(right, "2"), gateway.Header{"X-Amz-Sns-Topic-Arn": p.topic.ARN + "2"}},
		"no delivery at all": {[]byte("hello"), nil},
	} {
		if a := p.webhook(t, "/api/webhooks/ses", c.body, c.headers); a.Status != 400 || a.Code() != "invalid_signature" {
			t.Errorf("%s: got %d %s, want 400, code invalid_signature", name, a.Status, a.Body)
		}
	}
	p.recipient(t, m, 0, "sent")
}

// TestAnEventOfSESEndsADoubt checks a message that SES has taken and never answered for.
func TestAnEventOfSESEndsADoubt(t *testing.T) {
	t.Parallel()
	p := newSESGateway(t, "ses")
	p.ses.Inject(after(faultserver.Reset()))
	m := p.send(t, "k", object{"delivery": "at_most_once"})
	p.becomes(t, m, "unknown", "ses ambiguous")
	p.publish(t, "1", "Delivery", []string{"ada@example.com"}, nil)
	p.becomes(t, m, "delivered", "ses accepted")
	wantCopies(t, "SES", p.ses, 1)
}
