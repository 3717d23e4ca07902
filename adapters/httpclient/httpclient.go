// Package httpclient is the one way out over HTTP, for the gateway's adapters
// and for anybody who calls a JSON API.
//
// It knows whether a request left: what failed before a byte was written may be
// sent elsewhere, what failed after may have been done. It follows no redirect,
// reads bounded answers, gives the bearer token to the configured host alone, and
// keeps addresses and tokens out of its errors.
package httpclient

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"patchbay/core/fault"
)

// The defaults of Options.
const (
	DefaultTimeout        = 10 * time.Second
	DefaultConnectTimeout = 3 * time.Second
	DefaultMaxAnswer      = 1 << 20
)

// Options says what to call, and within what bounds. Zero means the default.
type Options struct {
	BaseURL        string        // https://api.example.com/v1; what API_BASE_URL says where empty
	Timeout        time.Duration // of one exchange, its answer's body included
	ConnectTimeout time.Duration // of the dial, and again of the TLS handshake
	MaxAnswer      int64         // bytes of an answer, inflated
	Tokens         TokenSource   // of the bearer token; nil for none
	Attempts       int           // of Client.Do, 3 by default; 1 for no retry
	MaxConns       int           // to the host, idle ones kept; 256 by default
	Roots          *tls.Config   // with the certificates to trust; nil for the system's
	// Wire is what requests go out by in place of the network, for tests. It tells by
	// httptrace.ClientTrace.WroteRequest which ones it took.
	Wire http.RoundTripper

	dial dial // a network in memory, for tests
}

// Client calls one base URL.
type Client struct {
	base     *url.URL
	http     *http.Client
	attempts int
}

// New makes a Client. Invalid with code invalid_base_url.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = os.Getenv("API_BASE_URL")
	}
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fault.New(fault.Invalid, "invalid_base_url", "the base URL must be http:// or https://, a host and at most a path")
	}
	client := &http.Client{
		Transport:     transport(o, base),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       or(o.Timeout, DefaultTimeout),
	}
	return &Client{base: base, http: client, attempts: or(o.Attempts, 3)}, nil
}

// HTTP gives the client to an SDK that brings its own requests and retries
// nothing.
func (c *Client) HTTP() *http.Client { return c.http }

func or[T int | int64 | time.Duration](value, standard T) T {
	if value > 0 {
		return value
	}
	return standard
}

// transport puts the layers together: the bearer outside, so that its second
// try is recorded and bounded as the first is.
func transport(o Options, base *url.URL) http.RoundTripper {
	dialer := &net.Dialer{Timeout: or(o.ConnectTimeout, DefaultConnectTimeout), KeepAlive: 30 * time.Second}
	raw := dialer.DialContext
	if o.dial != nil {
		raw = o.dial
	}
	conns := or(o.MaxConns, 256)
	secure := new(tls.Config)
	if o.Roots != nil {
		secure = o.Roots.Clone()
	}
	secure.MinVersion = max(secure.MinVersion, tls.VersionTLS12)
	// HTTP/1.1 alone: with one request on a connection at a time it is known
	// which bytes belong to which.
	secure.NextProtos = []string{"http/1.1"}
	var wire http.RoundTripper = &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: counted(raw),
		DialTLSContext:  counted(secured(raw, secure, dialer.Timeout)),
		TLSClientConfig: secure, TLSHandshakeTimeout: dialer.Timeout, // where a proxy stands between
		IdleConnTimeout: 60 * time.Second,
		MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns, MaxResponseHeaderBytes: 64 << 10,
	}
	if o.Wire != nil {
		wire = noted{o.Wire}
	}
	var rt http.RoundTripper = &recorder{next: wire, maxAnswer: or(o.MaxAnswer, DefaultMaxAnswer)}
	if o.Tokens != nil {
		rt = &bearer{next: rt, tokens: o.Tokens, base: base}
	}
	return rt
}
