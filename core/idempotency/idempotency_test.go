package idempotency_test

import (
	"strings"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

const route = "POST /api/payments"

// The form is stored with what was created under the key: with another form, all earlier keys
// would be unknown.
func TestScopedIsTenantRouteAndDigest(t *testing.T) {
	t.Parallel()
	k := idempotency.New("acme", route, "order-17", []byte("{}"))
	// printf order-17 | sha256sum
	if want := "acme|POST /api/payments|72a90ea3da8b5dd01bde2f27314e02e217f935182ea573a7ff9b5f5060ef996b"; k.Scoped != want {
		t.Errorf("Scoped = %q, want %q", k.Scoped, want)
	}
	if k.Empty() {
		t.Error("Empty() of a key that was given, want not empty")
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	first := idempotency.New("acme", route, "order-17", []byte(`{"a":1}`))
	tests := []struct {
		name              string
		key               idempotency.Key
		sameKey, sameBody bool
	}{
		{"the same again", idempotency.New("acme", route, "order-17", []byte(`{"a":1}`)), true, true},
		{"another body", idempotency.New("acme", route, "order-17", []byte(`{"a":2}`)), true, false},
		{"no body", idempotency.New("acme", route, "order-17", nil), true, false},
		{"a body with one byte more", idempotency.New("acme", route, "order-17", []byte(`{"a":1} `)), true, false},
		{"another key", idempotency.New("acme", route, "order-18", []byte(`{"a":1}`)), false, true},
		{"the key in upper case", idempotency.New("acme", route, "ORDER-17", []byte(`{"a":1}`)), false, true},
		{"another tenant", idempotency.New("umbrella", route, "order-17", []byte(`{"a":1}`)), false, true},
		{"another route", idempotency.New("acme", "POST /api/emails", "order-17", []byte(`{"a":1}`)), false, false},
		{"another payment", idempotency.New("acme", route+"/pay_1/refunds", "order-17", []byte(`{"a":1}`)), false, false},
		{"the route's end in the body", idempotency.New("acme", "POST /api/payment", "order-17", []byte(`s{"a":1}`)), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if same := tt.key.Scoped == first.Scoped; same != tt.sameKey {
				t.Errorf("Scoped = %q beside %q, the same: got %v, want %v", tt.key.Scoped, first.Scoped, same, tt.sameKey)
			}
			if same := tt.key.Fingerprint == first.Fingerprint; same != tt.sameBody {
				t.Errorf("the same fingerprint: %v, want %v", same, tt.sameBody)
			}
			err := first.Match(tt.key.Fingerprint)
			if tt.sameBody {
				if err != nil {
					t.Errorf("Match: %v", err)
				}
				return
			}
			if !fault.Is(err, fault.Conflict) || fault.From(err).Code != idempotency.CodeMismatch {
				t.Errorf("Match: %v, want conflict (%s)", err, idempotency.CodeMismatch)
			}
		})
	}
}

func TestEmptyValueGivesTheZeroKey(t *testing.T) {
	t.Parallel()
	k := idempotency.New("acme", route, "", []byte(`{"a":1}`))
	if k != (idempotency.Key{}) || !k.Empty() {
		t.Errorf("%+v, want the zero Key: one with a scope would be taken by the first request without a key", k)
	}
}

// Two callers never share a key by accident, and two requests never share a fingerprint. Tenants
// and routes are ours and contain neither bars nor zero bytes; keys and bodies may contain
// anything.
func FuzzNew(f *testing.F) {
	f.Add("a", "r", "k", "b", "a", "r", "k|", "b")
	f.Add("a", "r", "r|k", "b", "a", "r", "k", "b")
	f.Add("a", "r", "k", "\x00b", "a", "r", "k", "b")
	f.Add("a", "POST /x", "k", "", "a", "POST /", "k", "x")
	f.Add("", "r", "k", "b", "a", "r", "k", "b")
	f.Fuzz(func(t *testing.T, tenant1, route1, key1, body1, tenant2, route2, key2, body2 string) {
		if strings.ContainsAny(tenant1+tenant2+route1+route2, "|\x00") || key1 == "" || key2 == "" {
			return // New's callers never do that, or give no key
		}
		one := idempotency.New(tenant1, route1, key1, []byte(body1))
		two := idempotency.New(tenant2, route2, key2, []byte(body2))
		if same := tenant1 == tenant2 && route1 == route2 && key1 == key2; same != (one.Scoped == two.Scoped) {
			t.Errorf("%q and %q, want %v", one.Scoped, two.Scoped, (one.Scoped == two.Scoped))
		}
		if same := route1 == route2 && body1 == body2; same != (one.Fingerprint == two.Fingerprint) {
			t.Errorf("fingerprints %s of %q %q and %s of %q %q, want %v", one.Fingerprint, route1, body1, two.Fingerprint, route2, body2, (one.Fingerprint == two.Fingerprint))
		}
		if len(one.Fingerprint) != 64 || strings.Trim(one.Fingerprint, "0123456789abcdef") != "" {
			t.Errorf("fingerprint %q, want 64 hexadecimal digits", one.Fingerprint)
		}
	})
}
