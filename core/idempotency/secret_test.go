package idempotency_test

import (
	"strings"
	"testing"

	"patchbay/core/idempotency"
)

// The forms are stored: with others, what was stored before would be unknown.
func TestWhatIsConcealedHasItsForm(t *testing.T) {
	t.Parallel()
	s := idempotency.Secret("of the installation")
	k := s.Conceal(idempotency.New("acme", route, "order-17", []byte(`{"a":1}`)))
	for what, tt := range map[string]struct{ got, want string }{
		"key":           {k.Scoped, "acme|POST /api/payments|72a90ea3da8b5dd01bde2f27314e02e217f935182ea573a7ff9b5f5060ef996b"},
		"fingerprint":   {k.Fingerprint, "hmac:4ad9b9584556f8a9d2272d84ecb4cad77183968f5731496e23cc24d468ae91e7"},
		"concealed key": {s.Scoped(k.Scoped), "acme|POST /api/payments|hmac:6ae46d12717073588acfbdd79840d7e611c06c71d49835ca0c104a6c8000b6d9"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", what, tt.got, tt.want)
		}
	}
}

func TestOnlyTheSecretLeadsFromARequestToWhatIsConcealed(t *testing.T) {
	t.Parallel()
	plain := idempotency.New("acme", route, "ada@example.com", []byte(`{"code":"4711"}`))
	s := idempotency.Secret("of the installation")
	k := s.Conceal(plain)
	key := s.Scoped(plain.Scoped)
	for name, other := range map[string]idempotency.Secret{"another secret": idempotency.Secret("of another"), "an empty secret": nil} {
		if other.Conceal(plain).Fingerprint == k.Fingerprint || other.Scoped(plain.Scoped) == key {
			t.Errorf("%s: got the same fingerprint or key, want others", name)
		}
	}
	another := idempotency.New("acme", route, "bob@example.com", []byte(`{"code":"4712"}`))
	if s.Conceal(another).Fingerprint == k.Fingerprint || s.Scoped(another.Scoped) == key {
		t.Error("another request: got the same fingerprint or key, want others")
	}
	if k.Fingerprint == plain.Fingerprint || strings.Contains(key, strings.Split(plain.Scoped, "|")[2]) {
		t.Errorf("got %s, %s; want no plain digest", k.Fingerprint, key)
	}
	if again := s.Scoped(key); again != key {
		t.Errorf("key concealed twice: got %s, want %s", again, key)
	}
	if again := s.Fingerprint(k.Fingerprint); again != k.Fingerprint {
		t.Errorf("fingerprint concealed twice: got %s, want %s", again, k.Fingerprint)
	}
	if none := s.Conceal(idempotency.Key{}); none != (idempotency.Key{}) {
		t.Errorf("got %+v, want the zero Key", none)
	}
}

// A repeat of a request that an earlier version accepted is a repeat.
func TestAConcealedKeyMatchesBothForms(t *testing.T) {
	t.Parallel()
	s := idempotency.Secret("of the installation")
	plain := idempotency.New("acme", route, "k", []byte(`{"a":1}`))
	other := idempotency.New("acme", route, "k", []byte(`{"a":2}`))
	k := s.Conceal(plain)
	for stored, same := range map[string]bool{
		plain.Fingerprint: true, k.Fingerprint: true,
		other.Fingerprint: false, s.Conceal(other).Fingerprint: false, "": false,
	} {
		if err := k.Match(stored); (err == nil) != same {
			t.Errorf("Match(%q): got %v, want a match: %v", stored, err, same)
		}
	}
	if err := plain.Match(k.Fingerprint); err == nil { // as an earlier version compares
		t.Error("the plain key matches the concealed fingerprint, want a mismatch, which executes nothing")
	}
}
