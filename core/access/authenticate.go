package access

import (
	"context"
	"crypto/hmac"
	"strings"
	"sync"
	"time"

	"patchbay/core/fault"
)

const (
	// fresh is how long a key is taken from the cache without asking: the time
	// after which a revocation is known everywhere.
	fresh = 10 * time.Second
	// stale is how long a key is still taken from the cache while the journal
	// cannot be read, so that its fallbacks have callers.
	stale    = 10 * time.Minute
	cacheMax = 10_000
)

// errRefused does not say which part of a token was wrong.
var errRefused = fault.New(fault.Unauthorized, "invalid_api_key", "the API key is not valid")

// Authenticate returns whoever a token speaks for. Unauthorized; Unavailable.
func (s *Service) Authenticate(ctx context.Context, token string) (Identity, error) {
	id, secret, ok := strings.Cut(strings.TrimPrefix(token, prefix), "_")
	if !ok || !strings.HasPrefix(token, prefix) || len(token) > 256 {
		return Identity{}, errRefused
	}
	k, err := s.key(ctx, "key_"+id)
	if fault.Is(err, fault.NotFound) {
		return Identity{}, errRefused
	}
	if err != nil {
		return Identity{}, err
	}
	if !hmac.Equal(s.hash(secret), k.Hash) || !k.Usable(s.clock.Now()) {
		return Identity{}, errRefused
	}
	return Identity{Tenant: k.Tenant, KeyID: k.ID, Scopes: k.Scopes}, nil
}

// key reads a key, from the cache where that is fresh enough.
func (s *Service) key(ctx context.Context, id string) (Key, error) {
	now := s.clock.Now()
	cached, at, ok := s.cache.get(id)
	if ok && now.Sub(at) < fresh {
		return cached, nil
	}
	r, err := s.journal.Get(ctx, "", kind, id)
	if fault.Is(err, fault.Unavailable) && ok && now.Sub(at) < stale {
		return cached, nil
	}
	if err != nil {
		return Key{}, err
	}
	k, err := decode(r)
	if err == nil {
		s.cache.put(k, now)
	}
	return k, err
}

// cache holds keys that exist, so that nobody can fill it with guesses.
type cache struct {
	mu      sync.RWMutex
	entries map[string]entry
}

type entry struct {
	key Key
	at  time.Time
}

func (c *cache) get(id string) (Key, time.Time, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.entries[id]
	return e.key, e.at, ok
}

func (c *cache) put(k Key, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.entries) >= cacheMax {
		c.entries = make(map[string]entry)
	}
	c.entries[k.ID] = entry{k, now}
}

func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, id)
}
