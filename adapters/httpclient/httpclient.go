// Package httpclient makes all outgoing HTTP requests of the gateway's adapters, and can be
// used to call any JSON API.
//
// It knows whether a request was written: a request that failed before a byte was written
// may be sent elsewhere, one that failed later may have been executed. It does not follow
// redirects, bounds responses, sends the bearer token only to the configured host, and
// keeps addresses and tokens out of its errors.
package httpclient

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
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
		Timeout:       orDefault(o.Timeout, DefaultTimeout),
	}
	if o.Timeout < 0 {
		client.Timeout = 0
	}
	return &Client{base: base, http: client, attempts: orDefault(o.Attempts, 3)}, nil
}

// HTTP returns the client for an SDK that builds its own requests and does not retry.
func (c *Client) HTTP() *http.Client { return c.http }

func orDefault[T int | int64 | time.Duration](value, standard T) T {
	if value > 0 {
		return value
	}
	return standard
}

// transport assembles the layers. The bearer is outermost, so that its second attempt is
// recorded and bounded like the first.
func transport(o Options, base *url.URL) http.RoundTripper {
	dialer := &net.Dialer{Timeout: orDefault(o.ConnectTimeout, DefaultConnectTimeout), KeepAlive: 30 * time.Second}
	raw := dialer.DialContext
	if o.dial != nil {
		raw = o.dial
	}
	conns := orDefault(o.MaxConns, 256)
	secure := cmp.Or(o.Roots, new(tls.Config)).Clone()
	secure.MinVersion = max(secure.MinVersion, tls.VersionTLS12)
	// HTTP/1.1 only: with one request at a time on a connection, it is known which bytes
	// belong to which request.
	secure.NextProtos = []string{"http/1.1"}
	var wire http.RoundTripper = &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: countWrites(raw),
		DialTLSContext:  countWrites(dialTLS(raw, secure, dialer.Timeout)),
		TLSClientConfig: secure, TLSHandshakeTimeout: dialer.Timeout, // used if there is a proxy
		IdleConnTimeout: 60 * time.Second,
		MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns, MaxResponseHeaderBytes: 64 << 10,
	}
	if o.Wire != nil {
		wire = writeRecorder{o.Wire}
	}
	var rt http.RoundTripper = &recorder{next: wire, maxAnswer: orDefault(o.MaxAnswer, DefaultMaxAnswer)}
	if o.Tokens != nil {
		rt = &bearer{next: rt, tokens: o.Tokens, base: base}
	}
	return rt
}

const (
	// longestRetryAfter is the longest Retry-After that is accepted.
	longestRetryAfter = 24 * time.Hour
	// longestWait is the longest Retry-After that is waited for while a caller waits.
	longestWait = 30 * time.Second
)

// Wait returns the time between one attempt and the next: a random part of a backoff that
// doubles from initial up to most, and at least what the response asked for. attempt counts
// the attempts so far, from 1.
func Wait(attempt int, initial, most, retryAfter time.Duration) time.Duration {
	backoff := min(max(initial, 0), max(most, 0))
	for ; attempt > 1 && 0 < backoff && backoff < most; attempt-- {
		backoff += min(backoff, most-backoff) // 2*backoff may overflow
	}
	spread := time.Duration(rand.Float64() * float64(backoff)) //nolint:gosec // jitter is no secret
	return max(min(spread, backoff), min(retryAfter, longestWait))
}

// ParseRetryAfter parses a Retry-After, in seconds or as a date (RFC 9110 §10.2.3). It
// returns 0 for a value that is invalid or in the past, and at most a day.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil { // more than an int64 holds
			return longestRetryAfter
		}
		return time.Duration(min(seconds, int64(longestRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestRetryAfter)
}

// writeRecorder records the requests written by a wire, which has no connections to count bytes on.
type writeRecorder struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (n writeRecorder) RoundTrip(req *http.Request) (*http.Response, error) {
	x := recordOf(req)
	return n.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				x.written.Store(true)
			}
		},
	})))
}

// maxRefusal is how many bytes of a refusal are kept.
const maxRefusal = 64 << 10

// refusal is the body of a response that is not a success. It keeps what is read of it, up
// to maxRefusal.
type refusal struct {
	io.ReadCloser
	mu   sync.Mutex
	read []byte
}

// Read implements io.Reader.
func (r *refusal) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = append(r.read, p[:min(n, maxRefusal-len(r.read))]...)
	return n, err
}

// contents returns what was read so far, or nothing if r is nil.
func (r *refusal) contents() []byte {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.read)
}

// Refusal returns what was read of a response that is not a success, at most its first 64
// kB, or "" if there is none.
func (x *Exchange) Refusal() string { return string(x.last().refusal.contents()) }

// DecodeRefusal decodes a response that is not a success into v. It returns false if the
// response is not JSON by its type and content: an intermediary sends text of its own.
func (x *Exchange) DecodeRefusal(v any) bool {
	return isJSON(x.Header("Content-Type")) && json.Unmarshal(x.last().refusal.contents(), v) == nil
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"))
}
