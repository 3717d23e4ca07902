package suppressions_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/suppression"
	"patchbay/core/suppressions"
)

const urlPrefix = "https://mail.example.com/unsubscribe/"

func (r *rig) token(t *testing.T, tenant, message, address string) string {
	t.Helper()
	token, ok := strings.CutPrefix(r.UnsubscribeURL(tenant, message, address), urlPrefix)
	if !ok || token == "" {
		t.Fatalf("got %q, want %s and a token", r.UnsubscribeURL(tenant, message, address), urlPrefix)
	}
	return token
}

func TestATokenSaysWhoUnsubscribes(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		for _, tenant := range []string{"default", "a", strings.Repeat("t", 64)} {
			token := r.token(t, tenant, "msg_01k0000000000000000000000", "ada@example.com")
			u, err := r.Unsubscriber(token)
			if err != nil || u.Tenant != tenant || u.Message != "msg_01k0000000000000000000000" || u.ID != r.IDOf(tenant, "ada@example.com") {
				t.Errorf("got %+v, %v, want the tenant, the message and the id of the address", u, err)
			}
			if len(token) > 255 {
				t.Errorf("the token has %d characters, want at most those of a path's segment", len(token))
			}
		}
	})
}

func TestATokenDoesNotShowTheAddress(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token := r.token(t, tenant, "msg_1", "ada@example.com")
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"ada", "example"} {
			if strings.Contains(string(raw), part) || strings.Contains(token, part) {
				t.Errorf("the token %q shows %q", raw, part)
			}
		}
	})
}

func TestATokenThatIsNotOurs(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token := r.token(t, tenant, "msg_1", "ada@example.com")
		all := []string{"", "x", "!", token[:len(token)-1], token + "A", token + "=", strings.Repeat("A", 60), strings.Repeat("A", 200)}
		for i := range token { // each character counts
			other := "A"
			if token[i] == 'A' {
				other = "B"
			}
			all = append(all, token[:i]+other+token[i+1:])
		}
		stranger, _ := strings.CutPrefix(r.with("a secret for hashes", "another secret").UnsubscribeURL(tenant, "msg_1", "ada@example.com"), urlPrefix)
		for _, bad := range append(all, stranger) {
			if _, err := r.Unsubscriber(bad); !fault.Is(err, fault.NotFound) {
				t.Errorf("%q: error = %v, want kind %v", bad, err, fault.NotFound)
			}
		}
	})
}

func TestATokenIsGoodForLong(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token := r.token(t, tenant, "msg_1", "ada@example.com")
		<-time.After(2 * 365 * 24 * time.Hour)
		if _, err := r.Unsubscriber(token); err != nil {
			t.Errorf("after two years: %v, want no error", err)
		}
	})
}

func TestThereIsNoURLWithoutAPublicOne(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		o := r.Options
		o.PublicURL = ""
		if got := suppressions.New(o).UnsubscribeURL(tenant, "msg_1", "ada@example.com"); got != "" {
			t.Errorf("got %q, want none", got)
		}
	})
}

func TestUnsubscribing(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		u, err := r.Unsubscriber(r.token(t, tenant, "msg_1", "ada@example.com"))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := r.Unsubscribe(t.Context(), u, "ada@example.com"); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		v, err := r.Get(t.Context(), tenant, u.ID)
		if err != nil || v.Email != "ada@example.com" || v.Counting()[0].Source.Message != "msg_1" {
			t.Errorf("got %+v, %v, want the address and the message", v, err)
		}
		if got := r.stopped(t, email.Marketing, "ada@example.com"); got != suppression.Unsubscribed {
			t.Errorf("marketing is stopped for %q, want unsubscribed", got)
		}
		if got := r.stopped(t, email.Transactional, "ada@example.com"); got != "" {
			t.Errorf("transactional mail is stopped for %q, want not", got)
		}
		if got := r.calls["saved"]; got != 1 {
			t.Errorf("%d saves for three clicks, want 1", got)
		}
	})
}

// The message is gone, or its recipient was erased: the hash in the token is enough.
func TestUnsubscribingWithoutTheAddress(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		u, err := r.Unsubscriber(r.token(t, tenant, "msg_1", "ada@example.com"))
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{"", "erased@erased.invalid"} {
			if err := r.Unsubscribe(t.Context(), u, address); err != nil {
				t.Fatal(err)
			}
		}
		if v, err := r.Get(t.Context(), tenant, u.ID); err != nil || v.Email != "" {
			t.Errorf("got %+v, %v, want no address", v, err)
		}
		if got := r.stopped(t, email.Marketing, "ada@example.com"); got != suppression.Unsubscribed {
			t.Errorf("marketing is stopped for %q, want unsubscribed", got)
		}
	})
}
