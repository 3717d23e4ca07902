package adminapi

import (
	"context"
	"encoding/json"
	"strings"
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

// View returns the view of a key.
func View(k apikeys.Key) KeyView {
	return KeyView{
		ID: k.ID, Tenant: k.Tenant, Name: k.Name, Scopes: k.Scopes,
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt,
	}
}

func (c *Server) createKey(f *fiber.Ctx, a *act) error {
	var n NewKey
	if err := decode(f, &n, "the body is not a request for a key"); err != nil {
		return err
	}
	var ttl time.Duration
	if n.TTL != "" {
		var err error
		if ttl, err = time.ParseDuration(n.TTL); err != nil {
			return fault.InvalidParam("ttl", "invalid_ttl", "ttl must be a duration such as 720h")
		}
		if ttl <= 0 {
			return apikeys.ErrTTL
		}
	}
	a.about("tenant", n.Tenant)
	token, key, err := c.APIKeys.Create(context.Background(), n.Tenant, n.Name, n.Scopes, ttl)
	if err != nil {
		return err
	}
	a.about("key", key.ID)
	return f.Status(fiber.StatusCreated).JSON(CreatedKey{Token: token, Key: View(key)})
}

func (c *Server) listKeys(f *fiber.Ctx, _ *act) error {
	keys, err := c.APIKeys.List(context.Background())
	if err != nil {
		return err
	}
	views := make([]KeyView, len(keys))
	for i, k := range keys {
		views[i] = View(k)
	}
	return f.JSON(views)
}

func (c *Server) revokeKey(f *fiber.Ctx, a *act) error {
	id := strings.Clone(f.Params("id"))
	a.about("key", id)
	if err := c.APIKeys.Revoke(context.Background(), id); err != nil {
		return err
	}
	return f.SendStatus(fiber.StatusNoContent)
}
