package smtpapi_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/ids"
	"patchbay/adapters/smtpapi"
	"patchbay/core/apikeys"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/tests/testlog"
)

// token is the key that the rig knows. Its tenant is acme.
const token = "pb_live_1_secret"

// rig is a server whose messages the test accepts.
type rig struct {
	*smtpapi.Server
	address string
	log     *testlog.Buffer

	mu     sync.Mutex
	mail   []emails.Handover
	tenant string
	fail   error                 // of the next messages
	hold   func(emails.Handover) // is called before a message is accepted, if it is there
}

// start starts a server. change changes its options.
func start(t *testing.T, change func(o *smtpapi.Options)) *rig {
	t.Helper()
	r := &rig{log: new(testlog.Buffer)}
	log := logging.New(slog.NewTextHandler(r.log, nil))
	o := smtpapi.Options{
		HandOver: r.handOver, Authenticate: authenticate, IDs: ids.UUIDs{}, Deadline: 5 * time.Second, Log: log.Logger, LogRequests: true,
	}
	if change != nil {
		change(&o)
	}
	r.Server = smtpapi.New(o)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		_ = r.Shutdown(t.Context()) // it has ended; the test may have shut down before
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

func (r *rig) handOver(_ context.Context, tenant string, h emails.Handover) (email.Message, bool, error) {
	r.mu.Lock()
	hold, fail := r.hold, r.fail
	r.mu.Unlock()
	if hold != nil {
		hold(h)
	}
	if fail != nil {
		return email.Message{}, false, fail
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mail, r.tenant = append(r.mail, h), tenant
	return email.Message{ID: fmt.Sprint("msg_", len(r.mail))}, false, nil
}

func (r *rig) accepted() []emails.Handover {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mail
}

func (r *rig) wantAccepted(t *testing.T, want int) {
	t.Helper()
	if got := len(r.accepted()); got != want {
		t.Errorf("%d messages were accepted, want %d", got, want)
	}
}

// wantLogged checks the line of the message that was refused. It shuts the server down before, after which
// nothing is logged any more.
func (r *rig) wantLogged(t *testing.T, words ...string) {
	t.Helper()
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := r.log.Take()
	for _, word := range words {
		if !strings.Contains(log, word) {
			t.Errorf("log = %s, want %q in it", log, word)
		}
	}
}

func authenticate(_ context.Context, key string) (apikeys.Identity, error) {
	switch key {
	case token:
		return apikeys.Identity{Tenant: "acme", KeyID: "key_1", Scopes: []string{"emails:write"}}, nil
	case "pb_live_2_reads":
		return apikeys.Identity{Tenant: "acme", KeyID: "key_2", Scopes: []string{"emails:read"}}, nil
	case "pb_live_3_down":
		return apikeys.Identity{}, fault.New(fault.Unavailable, "store_unavailable", "the store at db.internal is down")
	}
	return apikeys.Identity{}, fault.New(fault.Unauthorized, "invalid_api_key", "the API key is not valid")
}

// client is a conversation, a line at a time.
type client struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

// dial connects, and reads the greeting.
func (r *rig) dial(t *testing.T) *client {
	t.Helper()
	c := r.connect(t)
	c.wants("220")
	return c
}

func (r *rig) connect(t *testing.T) *client {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{conn, t, bufio.NewReader(conn)}
}

// wants reads an answer and checks how it begins.
func (c *client) wants(begin string) (answer string) {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if answer += line; err != nil || len(line) > 3 && line[3] == ' ' {
			break
		}
	}
	if !strings.HasPrefix(answer, begin) {
		c.t.Fatalf("the answer is %q, want it to begin with %q", answer, begin)
	}
	return answer
}

// says sends lines, and checks how the answer begins.
func (c *client) says(text, begin string) string {
	c.t.Helper()
	c.send(text + "\r\n")
	return c.wants(begin)
}

func (c *client) send(text string) {
	_, _ = c.Write([]byte(text)) // what went wrong shows in the answer
}

// begins goes as far as the text of a message.
func (c *client) begins() {
	c.t.Helper()
	c.says("EHLO client.example", "250")
	c.says("MAIL FROM:<shop@example.com>", "250")
	c.says("RCPT TO:<ada@example.com>", "250")
	c.says("DATA", "354")
}

// ends checks that the server closes the connection.
func (c *client) ends() {
	c.t.Helper()
	if rest, err := c.in.ReadString('\n'); err == nil {
		c.t.Errorf("the server says %q, want the end of the connection", rest)
	}
}

// secured makes the server demand keys, with a certificate for 127.0.0.1.
func secured(t *testing.T) (change func(o *smtpapi.Options), roots *x509.CertPool) {
	t.Helper()
	cert, key, roots := pair(t, t.TempDir(), 1)
	return func(o *smtpapi.Options) {
		certificates, err := smtpapi.OpenCertificates(cert, key, o.Log)
		if err != nil {
			t.Fatal(err)
		}
		o.KeysRequired, o.Certificate = true, certificates.Get
	}, roots
}

// pair writes a certificate and its key.
func pair(t *testing.T, dir string, serial int64) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	parsed, _ := x509.ParseCertificate(raw)
	roots.AddCert(parsed)
	return cert, key, roots
}

// startTLS goes over to TLS.
func (c *client) startTLS(roots *x509.CertPool) *tls.Conn {
	c.t.Helper()
	c.says("STARTTLS", "220")
	secure := tls.Client(c.Conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.Conn, c.in = secure, bufio.NewReader(secure)
	return secure
}
