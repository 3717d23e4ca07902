package httpclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"patchbay/core/guard"
)

// Token is a bearer token. A zero Expires means that it does not expire.
type Token struct {
	Value   string
	Expires time.Time
}

const (
	// fetchLimit bounds one fetch of a token, whichever callers wait for it.
	fetchLimit = 10 * time.Second
	// The pause after a failed fetch doubles from firstPause to lastPause.
	firstPause = 500 * time.Millisecond
	lastPause  = 5 * time.Second
	// minimumUse is how long a token that replaced a refused one is not replaced itself: if
	// every token is refused, another one does not help.
	minimumUse = time.Second
	// renewBefore is how long before it expires a token is renewed, or a tenth of its lifetime
	// if that is less.
	renewBefore = 30 * time.Second
)

var errNoToken = errors.New("httpclient: the token endpoint gave an empty token")

// Tokens keeps a token until it expires or is refused, and fetches the next one once for
// all callers: shortly before the token expires, while it is still used. While the token
// endpoint is down, the current token is used until it expires, and the endpoint is called
// at growing intervals, not by every caller.
type Tokens struct {
	fetch   func(ctx context.Context) (Token, error)
	fetches singleflight.Group // at most one

	mu       sync.Mutex
	token    Token
	renew    time.Time // when the token is renewed; zero if it does not expire
	replaced time.Time // when a refused token was last replaced
	failed   error     // of the last fetch
	pause    time.Duration
	resume   time.Time // no fetch before this time
}

var _ TokenSource = (*Tokens)(nil)

// NewTokens returns Tokens that call fetch to request a token from the token endpoint.
func NewTokens(fetch func(ctx context.Context) (Token, error)) *Tokens {
	return &Tokens{fetch: fetch}
}

// Token implements TokenSource.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	t.mu.Lock()
	now := time.Now()
	if !t.token.usable(now) {
		return t.next(ctx, now, false)
	}
	defer t.mu.Unlock()
	if !t.renew.IsZero() && !now.Before(t.renew) && !now.Before(t.resume) {
		t.start(ctx, false)
	}
	return t.token.Value, nil
}

// Refresh implements TokenSource. It makes no request if another caller has already
// refreshed the token.
func (t *Tokens) Refresh(ctx context.Context, refused string) (string, error) {
	t.mu.Lock()
	now := time.Now()
	if t.token.usable(now) && (t.token.Value != refused || now.Before(t.replaced.Add(minimumUse))) {
		defer t.mu.Unlock()
		return t.token.Value, nil
	}
	return t.next(ctx, now, true)
}

// next waits for the fetch in progress, or starts one. It is called with the lock held, and
// releases it.
func (t *Tokens) next(ctx context.Context, now time.Time, refused bool) (string, error) {
	if now.Before(t.resume) {
		defer t.mu.Unlock()
		return "", t.failed
	}
	fetched := t.start(ctx, refused)
	t.mu.Unlock()
	select {
	case result := <-fetched:
		value, _ := result.Val.(string)
		return value, result.Err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// start begins a fetch, unless one is in progress. It is called with the lock held.
func (t *Tokens) start(ctx context.Context, refused bool) <-chan singleflight.Result {
	return t.fetches.DoChan("", func() (any, error) {
		// A caller that gives up must not end the fetch for the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchLimit)
		defer cancel()
		var token Token
		err := guard.Do(func() (err error) {
			token, err = t.fetch(ctx)
			return err
		})
		if err == nil && token.Value == "" {
			err = errNoToken
		}
		t.save(token, err, refused)
		return token.Value, err
	})
}

// save records the result of a fetch, and lets the next one begin.
func (t *Tokens) save(token Token, err error, refused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fetches.Forget("")
	now := time.Now()
	if t.failed = err; err != nil {
		t.pause = min(max(2*t.pause, firstPause), lastPause)
		t.resume = now.Add(t.pause)
		return
	}
	t.token, t.renew, t.pause, t.resume = token, time.Time{}, 0, time.Time{}
	if !token.Expires.IsZero() {
		t.renew = token.Expires.Add(-min(renewBefore, token.Expires.Sub(now)/10))
	}
	if refused {
		t.replaced = now
	}
}

func (t Token) usable(now time.Time) bool {
	return t.Value != "" && (t.Expires.IsZero() || now.Before(t.Expires))
}

// TokenSource supplies the bearer token. Tokens implements it.
type TokenSource interface {
	// Token returns the current token. An Unauthorized error means that the token endpoint
	// refused us; any other error, that a retry may succeed.
	Token(ctx context.Context) (string, error)
	// Refresh returns a token other than the refused one, or the same if no other is
	// available.
	Refresh(ctx context.Context, refused string) (string, error)
}

// bearer adds the token, and retries once with a new token if it is refused: a request
// answered with 401 was not processed.
type bearer struct {
	next   http.RoundTripper
	tokens TokenSource
	base   *url.URL
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != b.base.Host || req.URL.Scheme != b.base.Scheme {
		return b.next.RoundTrip(req) // the token is only for the configured host
	}
	// The exchange with the token endpoint is not that of the request.
	unrecorded := context.WithValue(req.Context(), exchangeKey{}, (*Exchange)(nil))
	token, err := b.tokens.Token(unrecorded)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, sanitized(Redact(err))
	}
	resp, err := b.next.RoundTrip(authorized(req, token, req.Body))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !rewindable(req) {
		return resp, err
	}
	fresh, err := b.tokens.Refresh(unrecorded, token)
	if err != nil || fresh == token {
		return resp, nil //nolint:nilerr // the 401 says what is wrong
	}
	body, err := rewound(req)
	if err != nil {
		return resp, nil //nolint:nilerr // as above
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be reused
	_ = resp.Body.Close()
	x := recordOf(req) // of a request that was not processed
	x.written.Store(false)
	x.response.Store(nil)
	return b.next.RoundTrip(authorized(req, fresh, body))
}

// CloseIdleConnections is how http.Client reaches the transport.
func (b *bearer) CloseIdleConnections() { (&http.Client{Transport: b.next}).CloseIdleConnections() }

func authorized(req *http.Request, token string, body io.ReadCloser) *http.Request {
	sent := req.Clone(req.Context())
	sent.Body = body
	sent.Header.Set("Authorization", "Bearer "+token)
	return sent
}

// rewindable reports whether the request can be sent a second time.
func rewindable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// rewound returns the body of a rewindable request again.
func rewound(req *http.Request) (io.ReadCloser, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, nil
	}
	return req.GetBody()
}
