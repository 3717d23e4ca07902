// Package apikeys manages and checks API keys, which determine a caller's tenant and scopes.
package apikeys

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

const (
	kind   = "api_key" // kind of a key's record in the journal
	prefix = "pb_live_"

	statusActive  = "active"
	statusRevoked = "revoked"
)

// DefaultTenant is the tenant of callers without a key.
const DefaultTenant = "default"

// All is the scope that includes every other.
const All = "*"

// Scopes lists the scopes that a key can have besides All.
var Scopes = []string{
	"payments:read", "payments:write", "payments:resolve", "emails:read", "emails:write", "emails:content", "suppressions:read", "suppressions:write", "users:read", "users:write", "events:read",
}

// Identity is the caller that a key authenticates.
type Identity struct {
	Tenant string
	KeyID  string
	Scopes []string
}

// Allows reports whether the identity has a scope.
func (i Identity) Allows(scope string) bool {
	return slices.Contains(i.Scopes, scope) || slices.Contains(i.Scopes, All)
}

// Key is a key as it is stored, without its secret.
type Key struct {
	ID        string    `json:"id"` // key_…
	Tenant    string    `json:"tenant"`
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`
	Hash      []byte    `json:"hash"` // HMAC-SHA-256 of the secret, keyed with the pepper
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
}

// Usable reports whether the key is neither revoked nor expired.
func (k Key) Usable(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// Options configures a Service.
type Options struct {
	Journal ports.Journal
	// Local is a journal on this machine, or nil. Used keys are stored there too, so that they are
	// known after a restart while the journal is unavailable.
	Local ports.Journal
	Clock ports.Clock
	IDs   ports.IDs
	// Pepper is a secret that is not stored with the keys, so that a dump of the journal alone
	// does not grant access.
	Pepper []byte
}

// Service creates and checks keys.
type Service struct {
	Options
	keys  record.Repository[record.Entry[Key]]
	local record.Repository[record.Entry[localCopy]] // of no use without Options.Local
	cache cache
}

// New returns a Service.
func New(o Options) *Service {
	return &Service{
		Options: o,
		keys:    record.Of(o.Journal, kind, func(k Key, id string) bool { return k.ID == id }),
		local:   record.Of(o.Local, kind, func(l localCopy, id string) bool { return l.Key.ID == id }),
	}
}

// Create creates a key. The token is returned once and never stored. ttl 0 means that the key
// does not expire; nil scopes means all. Invalid: an unknown scope or an empty list of scopes;
// an invalid tenant, name or ttl.
func (s *Service) Create(ctx context.Context, tenant, name string, scopes []string, ttl time.Duration) (token string, k Key, err error) {
	if err := checkNew(tenant, name, scopes, ttl); err != nil {
		return "", Key{}, err
	}
	if scopes == nil {
		scopes = []string{All}
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	now := s.Clock.Now()
	k = Key{ID: s.IDs.New("key"), Tenant: tenant, Name: name, Scopes: scopes, CreatedAt: now}
	if ttl > 0 {
		k.ExpiresAt = now.Add(ttl)
	}
	text := hex.EncodeToString(secret)
	k.Hash = s.hash(text)
	e := s.keys.New("", k.ID)
	e.Value, e.Record.Index = k, ports.Index{Status: statusActive, Created: now}
	if err := s.keys.Save(ctx, &e); err != nil {
		return "", Key{}, err
	}
	return prefix + strings.TrimPrefix(k.ID, "key_") + "_" + text, k, nil
}

// validTenant matches names that cannot be mistaken for anything else: a path, a pattern, a part of
// a key, or one of the gateway's internal names.
var validTenant = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// internalPrefix is the prefix of the tenants under which the gateway stores data of no tenant,
// such as the book of the mock. Earlier versions allowed keys for them.
const internalPrefix = "provider:"

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// ErrTTL refuses a ttl with which a key could never be used.
var ErrTTL = fault.InvalidParam("ttl", "invalid_ttl", "ttl must be more than nothing; without it a key does not end")

func checkNew(tenant, name string, scopes []string, ttl time.Duration) error {
	if scopes != nil && len(scopes) == 0 { // a mistake of the caller; it must not mean all scopes
		return fault.InvalidParam("scopes", "no_scopes", "scopes are given, and none is in them")
	}
	for _, scope := range scopes {
		if scope != All && !slices.Contains(Scopes, scope) {
			return fault.InvalidParam("scopes", "unknown_scope", "scopes are * or any of "+strings.Join(Scopes, ", "))
		}
	}
	switch {
	case !validTenant.MatchString(tenant):
		return fault.InvalidParam("tenant", "invalid_tenant", "a tenant takes 1 to 64 letters and digits of ASCII, and behind the first also . _ -")
	case name == "" || len(name) > 200 || !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable):
		return fault.InvalidParam("name", "invalid_name", "a key takes a name of 1 to 200 characters that can be printed")
	case ttl < 0:
		return ErrTTL
	}
	return nil
}

// List returns all keys, newest first.
func (s *Service) List(ctx context.Context) (keys []Key, err error) {
	err = s.keys.Walk(ctx, "", ports.Filter{}, nil, func(k record.Entry[Key]) error {
		keys = append(keys, k.Value)
		return nil
	})
	return keys, err
}

// Tenants lists all tenants that may have data: the default tenant and the tenants of all keys,
// including revoked ones.
func (s *Service) Tenants(ctx context.Context) ([]string, error) {
	keys, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	tenants := []string{DefaultTenant}
	for _, k := range keys {
		tenants = append(tenants, k.Tenant)
	}
	slices.Sort(tenants)
	return slices.Compact(tenants), nil
}

// Revoke revokes a key. Other processes notice within a few seconds. NotFound.
func (s *Service) Revoke(ctx context.Context, id string) error {
	k, err := s.keys.Get(ctx, "", id)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "no_such_key", fmt.Sprintf("there is no API key %.64q", id))
	}
	if err != nil {
		return err
	}
	err = s.keys.Update(ctx, &k, func(k *record.Entry[Key]) error {
		if !k.Value.RevokedAt.IsZero() {
			return record.ErrUnchanged
		}
		k.Value.RevokedAt, k.Record.Index.Status = s.Clock.Now(), statusRevoked
		return nil
	})
	if err != nil {
		return err
	}
	s.cache.drop(id)
	s.storeLocally(ctx, k.Value, s.Clock.Now())
	return nil
}

// Any reports whether a usable key exists.
func (s *Service) Any(ctx context.Context) (bool, error) {
	keys, err := s.List(ctx)
	now := s.Clock.Now()
	return slices.ContainsFunc(keys, func(k Key) bool { return k.Usable(now) }), err
}

func (s *Service) hash(secret string) []byte {
	h := hmac.New(sha256.New, s.Pepper)
	h.Write([]byte(secret))
	return h.Sum(nil)
}
