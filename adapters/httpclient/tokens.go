package httpclient

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Token is a bearer token. A zero Expires means that it does not end.
type Token struct {
	Value   string
	Expires time.Time
}

// fetchLimit bounds one fetch of a token, whoever waits for it.
const fetchLimit = 10 * time.Second

// Tokens keeps a token until it ends or is refused, and fetches the next once
// for all callers. While the token endpoint is down, the token that is there
// serves until it ends.
type Tokens struct {
	fetch  func(ctx context.Context) (Token, error)
	now    func() time.Time
	flight singleflight.Group
	mu     sync.Mutex
	token  Token
}

var _ TokenSource = (*Tokens)(nil)

// NewTokens makes Tokens on a function that asks the token endpoint.
func NewTokens(fetch func(ctx context.Context) (Token, error)) *Tokens {
	return &Tokens{fetch: fetch, now: time.Now}
}

// Token implements TokenSource.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	if token := t.present(); token.usable(t.now()) {
		return token.Value, nil
	}
	return t.renew(ctx, func(Token) bool { return false })
}

// Refresh implements TokenSource. Where somebody else has refreshed already, no
// request is made.
func (t *Tokens) Refresh(ctx context.Context, refused string) (string, error) {
	return t.renew(ctx, func(present Token) bool { return present.Value == refused })
}

// renew fetches a token, unless there is a usable one that was not refused.
func (t *Tokens) renew(ctx context.Context, refused func(Token) bool) (string, error) {
	done := t.flight.DoChan("", func() (any, error) {
		if present := t.present(); present.usable(t.now()) && !refused(present) {
			return present.Value, nil
		}
		// One caller who gives up must not end it for the others.
		fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchLimit)
		defer cancel()
		token, err := t.fetch(fetching)
		if err != nil {
			return "", err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.token = token
		return token.Value, nil
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (t *Tokens) present() Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token
}

func (t Token) usable(now time.Time) bool {
	return t.Value != "" && (t.Expires.IsZero() || now.Before(t.Expires))
}
