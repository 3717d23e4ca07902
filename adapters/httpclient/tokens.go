package httpclient

import (
	"context"
	"errors"
	"sync"
	"time"

	"patchbay/core/guard"
)

// Token is a bearer token. A zero Expires means that it does not end.
type Token struct {
	Value   string
	Expires time.Time
}

const (
	// fetchLimit bounds one fetch of a token, whoever waits for it.
	fetchLimit = 10 * time.Second
	// The pause after a fetch that failed doubles from the first to the longest.
	firstPause = 500 * time.Millisecond
	lastPause  = 5 * time.Second
	// settling is how long a token that replaced a refused one is not replaced
	// itself: where every token is refused, another one does not help.
	settling = time.Second
	// earliest is how long before its end a token is renewed, or a tenth of its
	// life where that is less.
	earliest = 30 * time.Second
)

var errNoToken = errors.New("httpclient: the token endpoint gave an empty token")

// Tokens keeps a token until it ends or is refused, and fetches the next once
// for all callers: shortly before the end, while the present one serves on.
// While the token endpoint is down, the token that is there serves until it
// ends, and the endpoint is asked at growing intervals, not by every caller.
type Tokens struct {
	fetch func(ctx context.Context) (Token, error)
	now   func() time.Time

	mu       sync.Mutex
	token    Token
	renew    time.Time // when the token's end is near; zero where it has none
	replaced time.Time // when a refused token was last replaced
	flight   *flight   // the fetch under way
	failed   error     // of the last fetch
	pause    time.Duration
	resume   time.Time // no fetch before that
}

// flight is one fetch. Its results may be read once it is done.
type flight struct {
	done  chan struct{}
	value string
	err   error
}

var _ TokenSource = (*Tokens)(nil)

// NewTokens makes Tokens on a function that asks the token endpoint.
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

// Refresh implements TokenSource. Where somebody else has refreshed already, no
// request is made.
func (t *Tokens) Refresh(ctx context.Context, refused string) (string, error) {
	t.mu.Lock()
	now := t.now()
	if t.token.usable(now) && (t.token.Value != refused || now.Before(t.replaced.Add(settling))) {
		defer t.mu.Unlock()
		return t.token.Value, nil
	}
	return t.next(ctx, now, true)
}

// next waits for the fetch under way, or for one that it starts. It is entered
// with the lock held, and gives it back.
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

// start begins a fetch, with the lock held.
func (t *Tokens) start(ctx context.Context, refused bool) {
	f := &flight{done: make(chan struct{})}
	t.flight = f
	// One caller who gives up must not end it for the others.
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
