package adminapi

import (
	"context"
	"encoding/json"
	"time"

	"patchbay/core/apikeys"
)

// NewKey requests an API key. Without Scopes the key has all scopes. TTL is a duration such
// as 720h, or empty for a key that does not expire.
type NewKey struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	Scopes Scopes `json:"scopes,omitzero"`
	TTL    string `json:"ttl,omitempty"`
}

// Scopes are the scopes of a key. null means none: a program that means to set scopes but
// has none must not get a key with all scopes.
type Scopes []string

// UnmarshalJSON implements json.Unmarshaler.
func (s *Scopes) UnmarshalJSON(raw []byte) error {
	list := []string{}
	err := json.Unmarshal(raw, &list)
	if list == nil {
		list = []string{}
	}
	*s = list
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

func view(k apikeys.Key) KeyView {
	return KeyView{
		ID: k.ID, Tenant: k.Tenant, Name: k.Name, Scopes: k.Scopes,
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt,
	}
}

func (c *Server) keyRoutes() {
	handle(c, listEndpoint, func(ctx context.Context, _ *act, _ none) ([]KeyView, error) { return c.ListKeys(ctx) })
	handle(c, createEndpoint, func(ctx context.Context, a *act, n NewKey) (CreatedKey, error) {
		a.about("tenant", n.Tenant)
		created, err := c.CreateKey(ctx, n)
		a.about("key", created.Key.ID)
		return created, err
	})
	handle(c, revokeEndpoint, func(ctx context.Context, a *act, _ none) (none, error) {
		a.about("key", a.id)
		return none{}, c.RevokeKey(ctx, a.id)
	})
}
