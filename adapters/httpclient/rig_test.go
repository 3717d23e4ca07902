package httpclient_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/httpclient"
)

// patience is how long a test waits in real time for something that must happen.
const patience = 20 * time.Second

// authority signs the certificates of one test.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := new(authority)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key, a.cert = sign(t, template, nil)
	return a
}

func sign(t *testing.T, template *x509.Certificate, by *authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = &authority{key, template}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// server returns the configuration of a server with a certificate for host, a name or an address.
func (a *authority) server(t *testing.T, host string, until time.Time) *tls.Config {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: until.Add(-2 * time.Hour), NotAfter: until}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	key, cert := sign(t, template, a)
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
	}
}

func (a *authority) client() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// A peer answers one request on its connection; nth counts the requests on it from 1. The
// connection is kept if it returns true.
type peer func(c net.Conn, req *http.Request, nth int) (keep bool)

// raw is a server that can violate any rule of HTTP.
type raw struct {
	address  string
	requests atomic.Int64
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// newRaw serves on a real socket, over TLS if there is a configuration.
func newRaw(t *testing.T, secure *tls.Config, answer peer) *raw {
	t.Helper()
	l := listen(t)
	r := &raw{address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if secure != nil {
				c = tls.Server(c, secure)
			}
			go r.serve(c, answer)
		}
	}()
	return r
}

func (r *raw) serve(c net.Conn, answer peer) {
	defer c.Close()
	in := bufio.NewReader(c)
	for nth := 1; ; nth++ {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		r.requests.Add(1)
		if !answer(c, req, nth) {
			return
		}
	}
}

// respond answers with these bytes and closes the connection.
func respond(answer string) peer {
	return func(c net.Conn, _ *http.Request, _ int) bool {
		_, _ = io.WriteString(c, answer)
		return false
	}
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

// reset closes the connection with an RST.
func reset(c net.Conn, _ *http.Request, _ int) bool {
	if layer, ok := c.(*tls.Conn); ok {
		c = layer.NetConn()
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	return false
}

// hang waits until the client closes the connection.
func hang(c net.Conn, _ *http.Request, _ int) bool {
	_, _ = c.Read(make([]byte, 1))
	return false
}

// memory is a network of pipes without buffers: a write returns once the other side has read it.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	refuse atomic.Int64 // so many dials, from now on
	dials  atomic.Int64
}

func newMemory() *memory {
	return &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
}

var errRefused = &net.OpError{Op: "dial", Net: "memory", Err: errors.New("connection refused")}

func (m *memory) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	m.dials.Add(1)
	if m.refuse.Add(-1) >= 0 {
		return nil, errRefused
	}
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-m.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.once.Do(func() { close(m.closed) }); return nil }
func (m *memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// virtual runs a test of a client against a handler on virtual time.
func virtual(t *testing.T, o httpclient.Options, handle http.HandlerFunc, test func(t *testing.T, c *httpclient.Client, m *memory)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var handling atomic.Int64
		server := &http.Server{ReadHeaderTimeout: 24 * time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			handling.Add(1)
			defer handling.Add(-1)
			handle(w, req)
		})}
		go server.Serve(m)
		o.BaseURL = "http://api.test/v1"
		c := client(t, o.Over(m.Dial))
		test(t, c, m)
		c.HTTP().CloseIdleConnections()
		_ = server.Close()
		for synctest.Wait(); handling.Load() > 0; synctest.Wait() {
			<-time.After(time.Second) // time goes on for those that wait for it
		}
	})
}

func client(t *testing.T, o httpclient.Options) *httpclient.Client {
	t.Helper()
	c, err := httpclient.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.HTTP().CloseIdleConnections)
	return c
}

// send makes one request as an SDK would, and reads the answer.
func send(ctx context.Context, t *testing.T, c *httpclient.Client, method, url, body string, header http.Header) (status int, answer string, err error) {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := c.HTTP().Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(read), err
}

// fixed is a token that never changes.
type fixed string

func (f fixed) Token(context.Context) (string, error)           { return string(f), nil }
func (f fixed) Refresh(context.Context, string) (string, error) { return string(f), nil }
