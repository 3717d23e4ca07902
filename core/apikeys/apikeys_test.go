package apikeys_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/core/apikeys"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

const kind = "api_key"

var pepper = []byte("a pepper of thirty-two bytes ...")

// rig is a Service on a journal in memory, on virtual time.
type rig struct {
	*apikeys.Service
	journal *memjournal.Journal
	local   ports.Journal

	mu    sync.Mutex
	asked map[string]int // of the journal, by memjournal's names
	fail  map[string]fault.Kind
}

func within(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newRig()) })
}

func newRig() *rig {
	r := &rig{journal: memjournal.New(clock.System{}), asked: map[string]int{}, fail: map[string]fault.Kind{}}
	r.journal.Fail = func(op string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked[op]++
		if kind, ok := r.fail[op]; ok {
			return fault.New(kind, "scripted", "")
		}
		return nil
	}
	r.Service = r.another(pepper)
	return r
}

// another is a second process on the same journal.
func (r *rig) another(pepper []byte) *apikeys.Service {
	return apikeys.New(apikeys.Options{Journal: r.journal, Local: r.local, Clock: clock.System{}, IDs: ids.UUIDs{}, Pepper: pepper})
}

// failing makes the journal fail from now on.
func (r *rig) failing(op string, kind fault.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail[op] = kind
}

func (r *rig) create(t *testing.T, tenant string, ttl time.Duration, scopes ...string) (token string, k apikeys.Key) {
	t.Helper()
	token, k, err := r.Create(t.Context(), tenant, "a key", scopes, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return token, k
}

func (r *rig) record(t *testing.T, id string) ports.Record {
	t.Helper()
	record, err := r.journal.Get(t.Context(), "", kind, id)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func secretOf(token string) string { return token[strings.LastIndex(token, "_")+1:] }

func TestCreate(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", time.Hour, "payments:read")
		if want := "pb_live_" + strings.TrimPrefix(k.ID, "key_") + "_"; !strings.HasPrefix(token, want) {
			t.Errorf("token %q, want it to begin with %s", token, want)
		}
		if secret := secretOf(token); len(secret) != 64 || strings.Trim(secret, "0123456789abcdef") != "" {
			t.Errorf("secret %q, want 32 bytes in hexadecimal", secret)
		}
		if k.Tenant != "acme" || k.Name != "a key" || !slices.Equal(k.Scopes, []string{"payments:read"}) ||
			!k.CreatedAt.Equal(time.Now()) || !k.ExpiresAt.Equal(time.Now().Add(time.Hour)) || !k.RevokedAt.IsZero() {
			t.Errorf("got %+v, want tenant acme, name \"a key\", %v, created at %v, expires at %v, no revoked at", k, []string{"payments:read"}, time.Now(), time.Now().Add(time.Hour))
		}
		if other, _ := r.create(t, "acme", 0); secretOf(other) == secretOf(token) {
			t.Errorf("two keys have one secret, want other than %v", secretOf(token))
		}
	})
}

// Whoever reads the journal or a backup of it gets no access: it has no secret, and its digests
// cannot be compared with guesses without the pepper.
func TestTheSecretIsNotInTheJournal(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", 0)
		secret := secretOf(token)
		record := r.record(t, k.ID)
		if dump := fmt.Sprintf("%+v %s", record, record.Body); strings.Contains(dump, secret) {
			t.Errorf("got %s, want no secret %s in it", dump, secret)
		}
		var stored apikeys.Key
		if err := json.Unmarshal(record.Body, &stored); err != nil {
			t.Fatal(err)
		}
		h := hmac.New(sha256.New, pepper)
		h.Write([]byte(secret))
		if !bytes.Equal(stored.Hash, h.Sum(nil)) {
			t.Errorf("hash %x, want HMAC-SHA-256 of the secret under the pepper", stored.Hash)
		}
		if _, err := r.another([]byte("another pepper")).Authenticate(t.Context(), token); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("under another pepper: got %v, want kind %v", err, fault.Unauthorized)
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	tests := []struct {
		name         string
		tenant, call string
		scopes       []string
		ttl          time.Duration
		param        string // empty: accepted
	}{
		{"the least", "a", "n", nil, 0, ""},
		{"the most", strings.Repeat("a", 64), strings.Repeat("n", 200), append([]string{apikeys.All}, apikeys.Scopes...), 1, ""},
		{"no tenant", "", "n", nil, 0, "tenant"},
		{"a tenant of 65 characters", strings.Repeat("a", 65), "n", nil, 0, "tenant"},
		{"a tenant with a bar, which parts idempotency keys", "a|b", "n", nil, 0, "tenant"},
		{"a tenant with a space", "a b", "n", nil, 0, "tenant"},
		{"a tenant with a tab", "a\tb", "n", nil, 0, "tenant"},
		{"a tenant with a line feed", "a\nb", "n", nil, 0, "tenant"},
		{"a tenant with a carriage return", "a\rb", "n", nil, 0, "tenant"},
		{"a tenant with a line feed at its end", "a\n", "n", nil, 0, "tenant"},
		{"a tenant with a null byte", "a\x00", "n", nil, 0, "tenant"},
		{"a tenant with an escape sequence", "a\x1b[2J", "n", nil, 0, "tenant"},
		{"a tenant that means all", "*", "n", nil, 0, "tenant"},
		{"a tenant that is a path", "../x", "n", nil, 0, "tenant"},
		{"a tenant that is a directory", "..", "n", nil, 0, "tenant"},
		{"a tenant that is part of a path", "a/b", "n", nil, 0, "tenant"},
		{"a tenant that is part of a path elsewhere", `a\b`, "n", nil, 0, "tenant"},
		{"a tenant that is the mock's", "provider:mock", "n", nil, 0, "tenant"},
		{"a tenant that looks like another", "аcme", "n", nil, 0, "tenant"}, // Cyrillic
		{"a tenant that is a flag", "-a", "n", nil, 0, "tenant"},
		{"a tenant with a percent sign", "a%2f", "n", nil, 0, "tenant"},
		{"a tenant that is no text", "a\xff", "n", nil, 0, "tenant"},
		{"a tenant of all that there is", "Acme-2.eu_1", "n", nil, 0, ""},
		{"no name", "a", "", nil, 0, "name"},
		{"a name that clears the terminal", "a", "n\x1b[2J", nil, 0, "name"},
		{"a name of two lines", "a", "n\nkey_1  default", nil, 0, "name"},
		{"a name that is no text", "a", "n\xff", nil, 0, "name"},
		{"a name of another language", "a", "магазин 店", nil, 0, ""},
		{"a list of no scopes", "a", "n", []string{}, 0, "scopes"},
		{"a name of 201 characters", "a", strings.Repeat("n", 201), nil, 0, "name"},
		{"an unknown scope", "a", "n", []string{"payments:read", "payments:delete"}, 0, "scopes"},
		{"an empty scope", "a", "n", []string{""}, 0, "scopes"},
		{"a part of a scope", "a", "n", []string{"payments"}, 0, "scopes"},
		{"a negative time to live", "a", "n", nil, -1, "ttl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig()
			token, _, err := r.Create(t.Context(), tt.tenant, tt.call, tt.scopes, tt.ttl)
			if tt.param == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !fault.Is(err, fault.Invalid) || fault.From(err).Param != tt.param || token != "" || r.asked[memjournal.Save] != 0 {
				t.Errorf("token %q, %d saves, %v; want invalid at %s", token, r.asked[memjournal.Save], err, tt.param)
			}
		})
	}
}

func TestAKeyThatIsNotStoredIsNotShown(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Unavailable, fault.UnknownOutcome} {
		t.Run(kind.String(), func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				r.failing(memjournal.Save, kind)
				if token, k, err := r.Create(t.Context(), "acme", "n", nil, 0); !fault.Is(err, kind) || token != "" || k.ID != "" {
					t.Errorf("got %q, %+v, %v, want kind %v, no token, no ID", token, k, err, kind)
				}
			})
		})
	}
}

func TestRevoke(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", 0)
		if _, err := r.Authenticate(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if err := r.Revoke(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Authenticate(t.Context(), token); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("at once, where it was revoked: got %v, want kind %v", err, fault.Unauthorized)
		}
		first := r.record(t, k.ID)
		if first.Index.Status != "revoked" {
			t.Errorf("listed as %q, want revoked", first.Index.Status)
		}
		<-time.After(time.Second)
		if err := r.Revoke(t.Context(), k.ID); err != nil {
			t.Errorf("again: %v", err)
		}
		if again := r.record(t, k.ID); again.Rev != first.Rev {
			t.Errorf("revoked again at another time: got %s, want %v", again.Body, first.Rev)
		}
		if err := r.Revoke(t.Context(), "key_nobody"); !fault.Is(err, fault.NotFound) {
			t.Errorf("a key that is not there: got %v, want kind %v", err, fault.NotFound)
		}
	})
}

func TestARevocationThatIsNotStoredReturnsTheError(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", 0)
		r.failing(memjournal.Save, fault.Unavailable)
		if err := r.Revoke(t.Context(), k.ID); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v, want unavailable", err)
		}
		if _, err := r.Authenticate(t.Context(), token); err != nil {
			t.Errorf("the key that is still good: %v", err)
		}
	})
}

func TestList(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		if some, err := r.Any(t.Context()); err != nil || some {
			t.Errorf("Any() of none = %v, %v, want false", some, err)
		}
		var want []string
		for range 205 { // three pages
			_, k := r.create(t, "acme", time.Hour)
			want = append(want, k.ID)
			<-time.After(time.Millisecond)
		}
		slices.Reverse(want)
		keys, err := r.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := make([]string, len(keys))
		for i, k := range keys {
			got[i] = k.ID
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d keys, want %d, newest first:\n%v\n%v", len(got), len(want), got, want)
		}
	})
}

func TestAnyCountsOnlyValidKeys(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		_, revoked := r.create(t, "acme", 0)
		if err := r.Revoke(t.Context(), revoked.ID); err != nil {
			t.Fatal(err)
		}
		if some, err := r.Any(t.Context()); err != nil || some {
			t.Errorf("Any() with a revoked key = %v, %v, want false", some, err)
		}
		r.create(t, "acme", time.Hour)
		if some, err := r.Any(t.Context()); err != nil || !some {
			t.Errorf("Any() with a key = %v, %v, want true", some, err)
		}
		<-time.After(time.Hour)
		if some, err := r.Any(t.Context()); err != nil || some {
			t.Errorf("Any() with an expired key = %v, %v, want false", some, err)
		}
		r.failing(memjournal.List, fault.Unavailable)
		if some, err := r.Any(t.Context()); !fault.Is(err, fault.Unavailable) || some {
			t.Errorf("Any() without the journal = %v, %v, want kind %v, false", some, err, fault.Unavailable)
		}
	})
}

func TestTenants(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		_, gone := r.create(t, "zoo", 0)
		r.create(t, "acme", 0)
		r.create(t, "acme", time.Hour)
		if err := r.Revoke(t.Context(), gone.ID); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Tenants(t.Context()); err != nil || !slices.Equal(got, []string{"acme", "default", "zoo"}) {
			t.Errorf("got %v, %v, want %v", got, err, []string{"acme", "default", "zoo"})
		}
	})
}
