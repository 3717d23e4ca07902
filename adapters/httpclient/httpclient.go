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
	"errors"
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
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fault.New(fault.Invalid, "invalid_base_url", "the base URL must be http:// or https:// and a host")
	}
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	client := &http.Client{
		Transport:     transport(o, base),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       or(o.Timeout, DefaultTimeout),
	}
	return &Client{base: base, http: client, attempts: o.Attempts}, nil
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
	conns := or(o.MaxConns, 256)
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.Roots != nil {
		secure = o.Roots.Clone()
		secure.MinVersion = tls.VersionTLS12
	}
	// HTTP/1.1 alone: with one request on a connection at a time it is known
	// which bytes belong to which.
	wire := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: counted(dialer.DialContext), TLSClientConfig: secure,
		TLSHandshakeTimeout: dialer.Timeout, IdleConnTimeout: 60 * time.Second,
		MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns, MaxResponseHeaderBytes: 64 << 10,
	}
	var rt http.RoundTripper = &recorder{next: wire, maxAnswer: or(o.MaxAnswer, DefaultMaxAnswer)}
	if o.Tokens != nil {
		rt = &bearer{next: rt, tokens: o.Tokens, base: base}
	}
	return rt
}

// Redact takes out of an error what may be secret: of a URL, all but scheme and
// host stay.
func Redact(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	where := "the provider"
	if parsed, perr := url.Parse(u.URL); perr == nil && parsed.Host != "" {
		where = parsed.Scheme + "://" + parsed.Host
	}
	return &url.Error{Op: u.Op, URL: where, Err: Redact(u.Err)}
}
