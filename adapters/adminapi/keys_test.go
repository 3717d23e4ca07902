package adminapi_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/adminapi"
	"patchbay/core/fault"
	"patchbay/tests/memjournal"
)

func TestKeysAreCreatedListedAndRevoked(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{})
	if a := r.do(t, "GET", "/admin/keys", ""); a.status != 200 || a.body != "[]" {
		t.Fatalf("no keys yet: status = %d, want 200, %s", a.status, a.body)
	}
	a := r.do(t, "POST", "/admin/keys", `{"tenant":"acme","name":"shop","scopes":["users:read"],"ttl":"720h"}`)
	var created adminapi.CreatedKey
	if err := json.Unmarshal([]byte(a.body), &created); err != nil || a.status != 201 {
		t.Fatalf("status = %d, want 201, %s, %v", a.status, a.body, err)
	}
	k := created.Key
	if k.Tenant != "acme" || k.Name != "shop" || strings.Join(k.Scopes, ",") != "users:read" || k.ExpiresAt.Sub(k.CreatedAt) != 720*time.Hour {
		t.Errorf("key = %+v, want shop of acme with users:read for 720h", k)
	}
	who, err := r.access.Authenticate(t.Context(), created.Token)
	if err != nil || who.Tenant != "acme" || !who.Allows("users:read") || who.Allows("users:write") {
		t.Fatalf("the key authenticates %+v, error = %v, want acme with users:read alone", who, err)
	}

	t.Run("are listed without what opens the door", func(t *testing.T) {
		a := r.do(t, "GET", "/admin/keys", "")
		secret := created.Token[strings.LastIndexByte(created.Token, '_')+1:]
		var list []map[string]any
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list) != 1 || list[0]["id"] != k.ID {
			t.Fatalf("status = %d, body = %s, error = %v, want a list of the key %s", a.status, a.body, err, k.ID)
		}
		if strings.Contains(a.body, secret) || list[0]["hash"] != nil || list[0]["Hash"] != nil {
			t.Errorf("list = %s, want neither the secret nor its hash in it", a.body)
		}
	})

	t.Run("are revoked, once or twice", func(t *testing.T) {
		for range 2 {
			if a := r.do(t, "DELETE", "/admin/keys/"+k.ID, ""); a.status != 204 || a.body != "" {
				t.Fatalf("status = %d, want 204, %s", a.status, a.body)
			}
		}
		if _, err := r.access.Authenticate(t.Context(), created.Token); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("error for a revoked key = %v, want %s", err, fault.Unauthorized)
		}
		if a := r.do(t, "GET", "/admin/keys", ""); !strings.Contains(a.body, "revokedAt") {
			t.Errorf("list = %s, want revokedAt in it", a.body)
		}
	})

	t.Run("that are not there cannot be revoked", func(t *testing.T) {
		if a := r.do(t, "DELETE", "/admin/keys/key_nobody", ""); a.status != 404 || a.code != "not_found" {
			t.Errorf("status = %d, want 404, %s", a.status, a.body)
		}
	})

	t.Run("are for everything and for ever where nothing is said", func(t *testing.T) {
		a := r.do(t, "POST", "/admin/keys", `{"tenant":"default","name":"all"}`)
		var all adminapi.CreatedKey
		if err := json.Unmarshal([]byte(a.body), &all); err != nil || strings.Join(all.Key.Scopes, ",") != "*" || strings.Contains(a.body, "expiresAt") {
			t.Errorf("status = %d, body = %s, error = %v, want a key with all scopes that does not expire", a.status, a.body, err)
		}
	})
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{})
	for _, row := range []struct{ name, body, code string }{
		{"no name", `{"tenant":"default"}`, "invalid_name"},
		{"no tenant", `{"name":"n"}`, "invalid_tenant"},
		{"a tenant that breaks out of its scope", `{"tenant":"a|b","name":"n"}`, "invalid_tenant"},
		{"a list of scopes that is empty, which would be a key for everything", `{"tenant":"default","name":"n","scopes":[]}`, "no_scopes"},
		{"null for scopes", `{"tenant":"default","name":"n","scopes":null}`, "no_scopes"},
		{"an empty scope", `{"tenant":"default","name":"n","scopes":[""]}`, "unknown_scope"},
		{"the tenant of the mock", `{"tenant":"provider:mock","name":"n"}`, "invalid_tenant"},
		{"an unknown scope", `{"tenant":"default","name":"n","scopes":["users:admin"]}`, "unknown_scope"},
		{"an invalid duration", `{"tenant":"default","name":"n","ttl":"a month"}`, "invalid_ttl"},
		{"a duration in the past", `{"tenant":"default","name":"n","ttl":"-1h"}`, "invalid_ttl"},
		{"a misspelled field, which would make a key of all scopes", `{"tenant":"default","name":"n","scope":["users:read"]}`, "refused"},
		{"a wrong type", `{"tenant":"default","name":7}`, "refused"},
		{"no JSON", `name=n`, "refused"},
		{"two keys at once", `{"tenant":"default","name":"n"}{"tenant":"default","name":"m"}`, "refused"},
		{"nothing", ``, "refused"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if a := r.do(t, "POST", "/admin/keys", row.body); a.status != 400 || a.code != row.code || a.text == "" {
				t.Errorf("%d %s, want %s", a.status, a.body, row.code)
			}
		})
	}
	if a := r.do(t, "POST", "/admin/keys", `{"name":"`+strings.Repeat("x", 65<<10)+`"}`); a.status != 413 {
		t.Errorf("a body too large: status = %d, want 413, %s", a.status, a.body)
	}
	if keys, err := r.access.List(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("keys = %v, error = %v, want none", keys, err)
	}
}

func TestKeysWhileTheStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{})
	r.journal.Fail = func(string) error { return fault.New(fault.Unavailable, "", "") }
	for _, one := range []struct{ method, path, body string }{
		{"GET", "/admin/keys", ""},
		{"POST", "/admin/keys", `{"tenant":"default","name":"n"}`},
		{"DELETE", "/admin/keys/key_1", ""},
	} {
		if a := r.do(t, one.method, one.path, one.body); a.status != 503 || a.code == "" || a.text == "" {
			t.Errorf("%s: status = %d, want 503, %s", one.method, a.status, a.body)
		}
	}
}

// TestRevokingAKeyThatAnotherWriterChanges revokes a key whose record changes between reading and saving it.
func TestRevokingAKeyThatAnotherWriterChanges(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{})
	_, k, err := r.access.Create(t.Context(), "default", "n", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	conflicts := 0
	r.journal.Fail = func(op string) error {
		if op == memjournal.Save && conflicts < 2 {
			conflicts++
			return fault.New(fault.Conflict, "record_conflict", "the record is taken or has changed")
		}
		return nil
	}
	if a := r.do(t, "DELETE", "/admin/keys/"+k.ID, ""); a.status != 204 || conflicts != 2 {
		t.Errorf("got %d after %d conflicts, want 204 after 2: %s", a.status, conflicts, a.body)
	}
	if keys, err := r.access.List(t.Context()); err != nil || len(keys) != 1 || keys[0].RevokedAt.IsZero() {
		t.Errorf("got %v, %v, want the key revoked", keys, err)
	}
}
