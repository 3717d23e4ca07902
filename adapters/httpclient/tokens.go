package httpclient

import (
	"context"
	"errors"
	"sync"
	"time"

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
	// settling is how long a token that replaced a refused one is not replaced itself: if
	// every token is refused, another one does not help.
	settling = time.Second
	// earliest is how long before it expires a token is renewed, or a tenth of its lifetime
	// if that is less.
	earliest = 30 * time.Second
)

var errNoToken = errors.New("httpclient: the token endpoint gave an empty token")

// Tokens keeps a token until it expires or is refused, and fetches the next one once for
// all callers: shortly before the token expires, while it is still used. While the token
// endpoint is down, the current token is used until it expires, and the endpoint is called
// at growing intervals, not by every caller.
type Tokens struct {
	fetch func(ctx context.Context) (Token, error)
	now   func() time.Time

	mu       sync.Mutex
	token    Token
	renew    time.Time // when the token is renewed; zero if it does not expire
	replaced time.Time // when a refused token was last replaced
	flight   *flight   // the fetch in progress
	failed   error     // of the last fetch
	pause    time.Duration
	resume   time.Time // no fetch before this time
}

// flight is one fetch. Its results may be read once it is done.
type flight struct {
	done  chan struct{}
	value string
	err   error
}

var _ TokenSource = (*Tokens)(nil)

// NewTokens returns Tokens that call fetch to request a token from the token endpoint.
func NewTokens(fetch func(ctx context.Context) (Token, error)) *Tokens {
	return &Tokens{fetch: fetch, now: time.Now}
}

// Token implements TokenSource.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	t.mu.Lock()
	now := t.now()
	if !t.token.usable(now) {
		return t.next(ctx, now, false)
	}
	defer t.mu.Unlock()
	if !t.renew.IsZero() && !now.Before(t.renew) && t.flight == nil && !now.Before(t.resume) {
		t.start(ctx, false)
	}
	return t.token.Value, nil
}

// Refresh implements TokenSource. It makes no request if another caller has already
// refreshed the token.
func (t *Tokens) Refresh(ctx context.Context, refused string) (string, error) {
	t.mu.Lock()
	now := t.now()
	if t.token.usable(now) && (t.token.Value != refused || now.Before(t.replaced.Add(settling))) {
		defer t.mu.Unlock()
		return t.token.Value, nil
	}
	return t.next(ctx, now, true)
}

// next waits for the fetch in progress, or starts one. It is called with the lock held, and
// releases it.
func (t *Tokens) next(ctx context.Context, now time.Time, refused bool) (string, error) {
	if t.flight == nil {
		if now.Before(t.resume) {
			defer t.mu.Unlock()
			return "", t.failed
		}
		t.start(ctx, refused)
	}
	f := t.flight
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// start begins a fetch. It is called with the lock held.
func (t *Tokens) start(ctx context.Context, refused bool) {
	f := &flight{done: make(chan struct{})}
	t.flight = f
	// A caller that gives up must not end the fetch for the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchLimit)
	go func() {
		defer cancel()
		defer close(f.done)
		var token Token
		err := guard.Do(func() (err error) {
			token, err = t.fetch(ctx)
			return err
		})
		if err == nil && token.Value == "" {
			err = errNoToken
		}
		f.value, f.err = token.Value, err
		t.land(token, err, refused)
	}()
}

func (t *Tokens) land(token Token, err error, refused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.flight = nil
	if t.failed = err; err != nil {
		t.pause = min(max(2*t.pause, firstPause), lastPause)
		t.resume = now.Add(t.pause)
		return
	}
	t.token, t.renew, t.pause, t.resume = token, time.Time{}, 0, time.Time{}
	if !token.Expires.IsZero() {
		t.renew = token.Expires.Add(-min(earliest, token.Expires.Sub(now)/10))
	}
	if refused {
		t.replaced = now
	}
}

func (t Token) usable(now time.Time) bool {
	return t.Value != "" && (t.Expires.IsZero() || now.Before(t.Expires))
}
