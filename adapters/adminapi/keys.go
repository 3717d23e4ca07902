package adminapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/apikeys"
	"patchbay/core/fault"
)

// NewKey requests an API key. Without Scopes the key has all scopes. TTL is a duration such
// as 720h, or empty for a key that does not expire.
type NewKey struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	Scopes Scopes `json:"scopes,omitzero"`
	TTL    string `json:"ttl,omitempty"`
}

func (n NewKey) describe(a *act) { a.addObject("tenant", n.Tenant) }

// Scopes are the scopes of a key. null means none: a program that means to set scopes but
// has none must not get a key with all scopes.
type Scopes []string

// UnmarshalJSON implements json.Unmarshaler.
func (s *Scopes) UnmarshalJSON(raw []byte) error {
	var list []string
	err := json.Unmarshal(raw, &list)
	*s = append(Scopes{}, list...)
	return err
}

// KeyView is the public view of a key, without the secret and its hash.
type KeyView struct {
	ID        string    `json:"id"`
	Tenant    string    `json:"tenant"`
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
}

// CreatedKey answers NewKey. The token is shown only here.
type CreatedKey struct {
	Token string  `json:"token"`
	Key   KeyView `json:"key"`
}

func (k CreatedKey) describe(a *act) { a.addObject("key", k.Key.ID) }

// KeyID names a key.
type KeyID struct{ ID string }

func (k *KeyID) id() *string    { return &k.ID }
func (k KeyID) describe(a *act) { a.addObject("key", k.ID) }

// CreateKey makes an API key.
var CreateKey = Endpoint[NewKey, CreatedKey]{
	route{method: fiber.MethodPost, path: "/admin/keys", action: "key.create", status: fiber.StatusCreated, wrong: "the body is not a request for a key"},
	func(ctx context.Context, s *Service, n NewKey) (CreatedKey, error) {
		var ttl time.Duration
		if n.TTL != "" {
			var err error
			if ttl, err = time.ParseDuration(n.TTL); err != nil {
				return CreatedKey{}, fault.InvalidParam("ttl", "invalid_ttl", "ttl must be a duration such as 720h")
			}
			if ttl <= 0 {
				return CreatedKey{}, apikeys.ErrTTL
			}
		}
		token, key, err := s.APIKeys.Create(ctx, n.Tenant, n.Name, n.Scopes, ttl)
		return CreatedKey{Token: token, Key: view(key)}, err
	},
}

// ListKeys lists the API keys of all tenants.
var ListKeys = Endpoint[None, []KeyView]{
	route{method: fiber.MethodGet, path: "/admin/keys", action: "key.list", status: fiber.StatusOK},
	func(ctx context.Context, s *Service, _ None) ([]KeyView, error) {
		keys, err := s.APIKeys.List(ctx)
		views := make([]KeyView, len(keys))
		for i, k := range keys {
			views[i] = view(k)
		}
		return views, err
	},
}

// RevokeKey revokes an API key.
var RevokeKey = Endpoint[KeyID, None]{
	route{method: fiber.MethodDelete, path: "/admin/keys/:id", action: "key.revoke", status: fiber.StatusNoContent},
	func(ctx context.Context, s *Service, k KeyID) (None, error) {
		return None{}, s.APIKeys.Revoke(ctx, k.ID)
	},
}

func view(k apikeys.Key) KeyView {
	return KeyView{
		ID: k.ID, Tenant: k.Tenant, Name: k.Name, Scopes: k.Scopes,
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt,
	}
}
