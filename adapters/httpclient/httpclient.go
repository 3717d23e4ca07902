// Package httpclient makes all outgoing HTTP requests of the gateway's adapters, and can be
// used to call any JSON API.
//
// It knows whether a request was written: a request that failed before a byte was written
// may be sent elsewhere, one that failed later may have been executed. It does not follow
// redirects, bounds responses, sends the bearer token only to the configured host, and
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

// Options configures a Client. Zero values mean the defaults.
type Options struct {
	BaseURL        string        // https://api.example.com/v1; if empty, the variable API_BASE_URL
	Timeout        time.Duration // of one exchange, including the response body; none if negative
	ConnectTimeout time.Duration // of dialing, and again of the TLS handshake
	MaxAnswer      int64         // bytes of a response, after decompression
	Tokens         TokenSource   // of the bearer token; nil for none
	Attempts       int           // of Client.Do, 3 by default; 1 for no retry
	MaxConns       int           // to the host, including idle ones; 256 by default
	Roots          *tls.Config   // with the trusted certificates; nil for those of the system
	// Wire sends requests in place of the network, for tests. It calls
	// httptrace.ClientTrace.WroteRequest for the requests it has sent.
	Wire http.RoundTripper

	dial dial // a network in memory, for tests
}

// Client calls one base URL.
type Client struct {
	base     *url.URL
	http     *http.Client
	attempts int
}

// New returns a Client. It returns Invalid with code invalid_base_url for an invalid base
// URL.
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
	if o.Timeout < 0 {
		client.Timeout = 0
	}
	return &Client{base: base, http: client, attempts: or(o.Attempts, 3)}, nil
}

// HTTP returns the client for an SDK that builds its own requests and does not retry.
func (c *Client) HTTP() *http.Client { return c.http }

func or[T int | int64 | time.Duration](value, standard T) T {
	if value > 0 {
		return value
	}
	return standard
}

// transport assembles the layers. The bearer is outermost, so that its second attempt is
// recorded and bounded like the first.
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
	// HTTP/1.1 only: with one request at a time on a connection, it is known which bytes
	// belong to which request.
	secure.NextProtos = []string{"http/1.1"}
	var wire http.RoundTripper = &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: counted(raw),
		DialTLSContext:  counted(secured(raw, secure, dialer.Timeout)),
		TLSClientConfig: secure, TLSHandshakeTimeout: dialer.Timeout, // used if there is a proxy
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
