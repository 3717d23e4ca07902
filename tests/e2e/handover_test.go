package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/mail"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
	"patchbay/tests/sendgridapi"
)

// smtpIn gives a gateway an address where it takes mail by SMTP.
func smtpIn(t *testing.T, g *gateway.Gateway) (address string) {
	t.Helper()
	address, release, err := faultserver.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	g.Env = append(g.Env, "PATCHBAY_MAIL__SMTP__ADDRESS="+address)
	return address
}

// handOverByPython hands messages over with Python's smtplib. It returns the answer to each, and what
// was sent of the first.
func handOverByPython(t *testing.T, address string, tls ...string) (answers map[string]int, signed []byte) {
	t.Helper()
	_, port, _ := net.SplitHostPort(address)
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "python3", append([]string{"testdata/handover.py", port, dir}, tls...)...)
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, failed.String())
	}
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	if signed, err = os.ReadFile(filepath.Join(dir, "signed.eml")); err != nil {
		t.Fatal(err)
	}
	return answers, signed
}

func openSMTP(t *testing.T, store string) (*gateway.Gateway, *smtpsim.Sim) {
	t.Helper()
	server := smtpsim.Start(t, smtpsim.Options{Open: true})
	g := gateway.Configured(t, fmt.Sprintf(`
mail: {providers: [smtp]}
storage: {provider: store}
providers:
  store: %s
  smtp: {type: smtp, host: %s, port: %d, security: none, hello: gateway.example.com}
policies:
  mail: {timeout: 5s, attempts: 1}
`, store, server.Host(), server.Port()))
	return g, server
}

const sqliteStore = "{type: sqlite, path: data/patchbay.db}"

// TestAMessageOfPythonArrivesByteForByte checks that a signature over any part of a message would still be
// valid behind the gateway, and that a repeat arrives once.
func TestAMessageOfPythonArrivesByteForByte(t *testing.T) {
	t.Parallel()
	g, server := openSMTP(t, sqliteStore)
	address := smtpIn(t, g)
	g.Restart(t)
	answers, signed := handOverByPython(t, address)
	if answers["signed"] != 250 || answers["plain"] != 250 || answers["again"] != 250 {
		t.Fatalf("the answers are %v, want 250 to each", answers)
	}
	gateway.Eventually(t, 10*time.Second, "both messages are sent", func() bool {
		return len(g.Do(t, "GET", "/api/emails?status=sent", nil).Data()) == 2
	})
	all := server.Messages()
	if len(all) != 2 {
		t.Fatalf("%d messages arrived, want 2: one of them was handed over twice", len(all))
	}
	first := slices.IndexFunc(all, func(m mailbox.Message) bool { return bytes.Contains(m.Raw, []byte("DKIM-Signature")) })
	if first < 0 || !bytes.Equal(all[first].Raw, signed) {
		t.Errorf("the message arrived as\n%.600q\nwant it as it was handed over:\n%.600q", all[max(first, 0)].Raw, signed)
	}
	want := []string{"ada@example.com", "cc@example.com", "hidden@example.com"}
	if got := slices.Sorted(slices.Values(all[0].To)); !slices.Equal(got, want) {
		t.Errorf("it went to %v, want %v", got, want)
	}
	if sender := commandOf(server, smtpsim.Mail); !strings.Contains(sender, "<bounces@example.com>") {
		t.Errorf("the envelope's sender is in %q, want bounces@example.com", sender)
	}
}

func commandOf(server *smtpsim.Sim, verb smtpsim.Step) string {
	for _, c := range server.Commands() {
		if c.Verb == verb {
			return c.Line
		}
	}
	return ""
}

// TestAMessageOfPythonIsTakenApartForSendGrid checks that each part arrives with its bytes, and that a
// signed message is refused where no provider would keep its signature.
func TestAMessageOfPythonIsTakenApartForSendGrid(t *testing.T) {
	t.Parallel()
	sim := sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)})
	g := gateway.Configured(t, fmt.Sprintf("mail: {providers: [sendgrid]}\nproviders: {sendgrid: {type: sendgrid, api_key: \"${SENDGRID_KEY}\", base_url: %q}}\n", sim.URL()),
		"SENDGRID_KEY="+sim.Key())
	address := smtpIn(t, g)
	g.Restart(t)
	answers, _ := handOverByPython(t, address)
	if answers["signed"] != 554 || answers["plain"] != 250 || answers["again"] != 250 {
		t.Fatalf("the answers are %v, want 554 to the signed one, and 250 to the others", answers)
	}
	gateway.Eventually(t, 10*time.Second, "the message is sent", func() bool { return len(sim.Delivered()) > 0 })
	if got := len(sim.Delivered()); got != 1 {
		t.Fatalf("%d messages arrived, want 1", got)
	}
	m := sim.Messages()[0]
	if got := slices.Sorted(slices.Values(m.To)); !slices.Equal(got, []string{"ada@example.com", "cc@example.com", "hidden@example.com"}) {
		t.Errorf("it went to %v, want to the three of the envelope", got)
	}
	raw, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		t.Fatal(err)
	}
	if got := raw.Header.Get("X-Campaign"); got != "spring" || bytes.Contains(m.Raw, []byte("hidden@")) {
		t.Errorf("X-Campaign is %q, want spring, and no hidden recipient in\n%.500s", got, m.Raw)
	}
	bytesOf := make([]byte, 256)
	for i := range bytesOf {
		bytesOf[i] = byte(i)
	}
	want := []string{
		"Hello Ada\r\n.a dot\r\n..two dots\r\n.\r\nGrüße\r\n", "<p>Hello <img src=\"cid:logo\"></p>\r\n",
		string(bytesOf), strings.Repeat(string(bytesOf), 4096),
	}
	got := leaves(t, raw)
	for _, part := range want {
		if !slices.Contains(got, part) {
			t.Errorf("no part of the message has the %d bytes that begin with %.40q", len(part), part)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d parts arrived, want %d", len(got), len(want))
	}
}

// TestAKeyOpensTheWayInBySMTP checks a client that authenticates over TLS.
func TestAKeyOpensTheWayInBySMTP(t *testing.T) {
	t.Parallel()
	g, server := openSMTP(t, sqliteStore)
	address := smtpIn(t, g)
	certificate, key := filepath.Join(g.Dir, "cert.pem"), filepath.Join(g.Dir, "key.pem")
	writeCertificate(t, certificate, key)
	g.Env = append(g.Env, "PATCHBAY_AUTH__MODE=required", "PATCHBAY_MAIL__SMTP__TLS__CERT_FILE="+certificate, "PATCHBAY_MAIL__SMTP__TLS__KEY_FILE="+key)
	if _, said, code := command(t, g, "storage", "create"); code != 0 {
		t.Fatalf("storage create ended with %d: %s", code, said)
	}
	out, said, code := command(t, g, "keys", "create", "--name", "smtp", "--tenant", "acme", "--scopes", "emails:write")
	if code != 0 {
		t.Fatalf("keys create ended with %d: %s", code, said)
	}
	token := strings.TrimSpace(out)
	g.Restart(t)
	answers, _ := handOverByPython(t, address, certificate, token)
	if answers["signed"] != 250 || answers["plain"] != 250 {
		t.Fatalf("the answers are %v, want 250 to each", answers)
	}
	gateway.Eventually(t, 10*time.Second, "both messages arrive", func() bool { return len(server.Delivered()) == 2 })
	if err := smtp.SendMail(address, nil, "shop@example.com", []string{"ada@example.com"}, []byte("From: shop@example.com\r\n\r\nHello\r\n")); err == nil {
		t.Error("a client without a key was served, want it refused")
	}
	if log := g.Log(); strings.Contains(log, token) || strings.Contains(log, "ada@example.com") || !strings.Contains(log, "tenant=acme") {
		t.Errorf("the log has the key or an address, or not the tenant:\n%s", log)
	}
}

// leaves returns the decoded content of each part of a message that is not multipart.
func leaves(t *testing.T, m *mail.Message) (all []string) {
	t.Helper()
	raw, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	var head bytes.Buffer
	for name, values := range m.Header {
		fmt.Fprintf(&head, "%s: %s\r\n", name, values[0])
	}
	e, err := message.Read(io.MultiReader(&head, strings.NewReader("\r\n"), bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	err = e.Walk(func(_ []int, part *message.Entity, err error) error {
		if kind, _, _ := part.Header.ContentType(); err != nil || strings.HasPrefix(kind, "multipart/") {
			return err
		}
		content, err := io.ReadAll(part.Body)
		all = append(all, string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// writeCertificate writes a certificate for 127.0.0.1, which is its own authority, and its key.
func writeCertificate(t *testing.T, certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
