package apikeys

import (
	"context"
	"crypto/hmac"
	"errors"
	"strings"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/record"
)

const (
	// freshFor is how long a cached key is used without reading the journal, and so the time after
	// which a revocation is effective everywhere.
	freshFor = 10 * time.Second
	// usableFor is how long a key from the cache or from this machine is used while the journal
	// cannot be read, so that the gateway's fallbacks still have authenticated callers.
	usableFor = time.Hour
	// localCopyAge is the age at which this machine's copy of a key is written again.
	localCopyAge = 10 * time.Minute
	cacheMax     = 10_000
)

// errRefused does not say which part of a token was wrong.
var errRefused = fault.New(fault.Unauthorized, "invalid_api_key", "the API key is not valid")

// endedError refuses a revoked or expired key. Its message says no more than errRefused.
type endedError struct {
	error
	key string
}

func (e endedError) Unwrap() error { return e.error }

// EndedKey returns the id of the key that was refused because it was revoked or has expired, for
// the log; empty for any other error.
func EndedKey(err error) string {
	var e endedError
	_ = errors.As(err, &e)
	return e.key
}

// Authenticate returns the identity that a token authenticates. Unauthorized; Unavailable.
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
	if !hmac.Equal(s.hash(secret), k.Hash) || strings.HasPrefix(k.Tenant, internalPrefix) {
		return Identity{}, errRefused
	}
	if !k.Usable(s.Clock.Now()) {
		return Identity{}, endedError{errRefused, k.ID}
	}
	return Identity{Tenant: k.Tenant, KeyID: k.ID, Scopes: k.Scopes}, nil
}

// key reads a key, from the cache if that is fresh.
func (s *Service) key(ctx context.Context, id string) (Key, error) {
	now := s.Clock.Now()
	cached, ok := s.cache.get(id)
	if ok && now.Sub(cached.readAt) < freshFor {
		return cached.key, nil
	}
	stored, err := s.keys.Get(ctx, "", id)
	switch {
	case fault.Is(err, fault.Unavailable) && ok && now.Sub(cached.readAt) < usableFor:
		return cached.key, nil
	case fault.Is(err, fault.Unavailable):
		if k, ok := s.localKey(ctx, id, now); ok {
			return k, nil
		}
		return Key{}, err
	case err != nil:
		return Key{}, err
	}
	k := stored.Value
	e := entry{key: k, readAt: now, storedLocally: cached.storedLocally}
	if now.Sub(e.storedLocally) >= localCopyAge || !k.RevokedAt.Equal(cached.key.RevokedAt) {
		s.storeLocally(ctx, k, now)
		e.storedLocally = now
	}
	s.cache.put(e)
	return k, nil
}

// localCopy is this machine's copy of a key, and when it was read from the journal.
type localCopy struct {
	Key Key       `json:"key"`
	At  time.Time `json:"at"`
}

// storeLocally stores a key on this machine. If that fails, the key is merely unknown after a
// restart without the journal.
func (s *Service) storeLocally(ctx context.Context, k Key, now time.Time) {
	if s.Local == nil {
		return
	}
	_, _ = s.local.Put(ctx, "", k.ID, func(l *record.Entry[localCopy]) error {
		l.Value, l.Record.Index.Created = localCopy{k, now}, now
		return nil
	})
}

// localKey returns this machine's copy of a key if it is not stale.
func (s *Service) localKey(ctx context.Context, id string, now time.Time) (Key, bool) {
	if s.Local == nil {
		return Key{}, false
	}
	ctx, cancel := record.Grace(ctx)
	defer cancel()
	l, err := s.local.Get(ctx, "", id)
	if err != nil || now.Sub(l.Value.At) >= usableFor {
		return Key{}, false
	}
	return l.Value.Key, true
}

// cache holds only keys that exist, so that guesses cannot fill it.
type cache struct {
	mu      sync.RWMutex
	entries map[string]entry
}

type entry struct {
	key           Key
	readAt        time.Time // when it was read from the journal
	storedLocally time.Time // when it was last written to this machine
}

func (c *cache) get(id string) (entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.entries[id]
	return e, ok
}

func (c *cache) put(e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.entries) >= cacheMax {
		c.entries = make(map[string]entry)
	}
	c.entries[e.key.ID] = e
}

func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, id)
}
