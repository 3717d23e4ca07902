package apikeys_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/apikeys"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

func TestAuthenticate(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", 0, "payments:read", "emails:write")
		other, _ := r.create(t, "umbrella", 0)
		who, err := r.Authenticate(t.Context(), token)
		if err != nil || who.Tenant != "acme" || who.KeyID != k.ID || !slices.Equal(who.Scopes, []string{"payments:read", "emails:write"}) {
			t.Errorf("got %+v, %v, want tenant acme, key id %v, %v", who, err, k.ID, []string{"payments:read", "emails:write"})
		}
		if who, err := r.Authenticate(t.Context(), other); err != nil || who.Tenant != "umbrella" || !slices.Equal(who.Scopes, []string{apikeys.All}) {
			t.Errorf("a key without scopes has all, in its own tenant: got %+v, %v, want tenant umbrella, %v", who, err, []string{apikeys.All})
		}
	})
}

// All are refused with the same words, so that nobody learns which part was right.
func TestAuthenticateRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(id, secret string) string // of a good key
	}{
		{"nothing", func(_, _ string) string { return "" }},
		{"only the prefix", func(_, _ string) string { return "pb_live_" }},
		{"without the prefix", func(id, secret string) string { return id + "_" + secret }},
		{"with another prefix", func(id, secret string) string { return "pb_test_" + id + "_" + secret }},
		{"with the prefix in upper case", func(id, secret string) string { return "PB_LIVE_" + id + "_" + secret }},
		{"with the prefix twice", func(id, secret string) string { return "pb_live_pb_live_" + id + "_" + secret }},
		{"without a secret", func(id, _ string) string { return "pb_live_" + id }},
		{"with an empty secret", func(id, _ string) string { return "pb_live_" + id + "_" }},
		{"with the id's own prefix", func(id, secret string) string { return "pb_live_key_" + id + "_" + secret }},
		{"without an id", func(_, secret string) string { return "pb_live__" + secret }},
		{"with another id", func(id, secret string) string { return "pb_live_" + id + "0_" + secret }},
		{"with another secret", func(id, secret string) string {
			return "pb_live_" + id + "_" + strings.Map(func(r rune) rune { return '0' + (r+1)%10 }, secret)
		}},
		{"with a part of the secret", func(id, secret string) string { return "pb_live_" + id + "_" + secret[:63] }},
		{"with more than the secret", func(id, secret string) string { return "pb_live_" + id + "_" + secret + "0" }},
		{"with the secret in upper case", func(id, secret string) string { return "pb_live_" + id + "_" + strings.ToUpper(secret) }},
		{"with a space before", func(id, secret string) string { return " pb_live_" + id + "_" + secret }},
		{"with a line end after", func(id, secret string) string { return "pb_live_" + id + "_" + secret + "\n" }},
		{"very long", func(_, _ string) string {
			return "pb_live_" + strings.Repeat("a", 300) + "_" + strings.Repeat("b", 300)
		}},
		{"with an id that looks like a query", func(_, secret string) string { return "pb_live_' or 1=1 --_" + secret }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig()
			token, k := r.create(t, "acme", 0)
			wantRefused(t, r.Service, tt.make(strings.TrimPrefix(k.ID, "key_"), secretOf(token)))
		})
	}
}

func wantRefused(t *testing.T, s *apikeys.Service, token string) {
	t.Helper()
	who, err := s.Authenticate(t.Context(), token)
	f := fault.From(err)
	if !fault.Is(err, fault.Unauthorized) || f.Code != "invalid_api_key" || f.Message != "the API key is not valid" || f.Err != nil {
		t.Errorf("%q: %v, want unauthorized and no more said", token, err)
	}
	if who.Tenant != "" || who.KeyID != "" || len(who.Scopes) != 0 {
		t.Errorf("%q: %+v beside the error, want no tenant, no key id, no scopes", token, who)
	}
}

func TestTheSecretOfOneKeyIsNotAnothers(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		one, k := r.create(t, "acme", 0)
		two, l := r.create(t, "acme", 0)
		wantRefused(t, r.Service, "pb_live_"+strings.TrimPrefix(k.ID, "key_")+"_"+secretOf(two))
		wantRefused(t, r.Service, "pb_live_"+strings.TrimPrefix(l.ID, "key_")+"_"+secretOf(one))
	})
}

// Keys belong to the installation. A record that a tenant could store under the same kind and id
// is not a key.
func TestARecordOfATenantIsNotAKey(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", 0)
		forged := ports.Record{Tenant: "acme", Kind: kind, ID: k.ID + "x", Body: r.record(t, k.ID).Body}
		if err := r.journal.Save(t.Context(), &forged)[0]; err != nil {
			t.Fatal(err)
		}
		wantRefused(t, r.Service, "pb_live_"+strings.TrimPrefix(forged.ID, "key_")+"_"+secretOf(token))
	})
}

func TestAKeyExpires(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", time.Hour)
		<-time.After(time.Hour - time.Microsecond)
		if _, err := r.Authenticate(t.Context(), token); err != nil {
			t.Errorf("just before: %v", err)
		}
		<-time.After(time.Microsecond)
		wantRefused(t, r.Service, token) // though it is in the cache, and fresh
		if _, err := r.Authenticate(t.Context(), token); apikeys.EndedKey(err) != k.ID {
			t.Errorf("got %q as the key that has ended, want %q", apikeys.EndedKey(err), k.ID)
		}
		if _, err := r.Authenticate(t.Context(), token+"0"); apikeys.EndedKey(err) != "" {
			t.Errorf("got %q of a token with another secret, want none", apikeys.EndedKey(err))
		}
	})
}

// The id finds the record, and the secrets are compared in constant time. Nothing else is read,
// and for a short while not even that.
func TestAuthenticateReadsOneRecord(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, _ := r.create(t, "acme", 0)
		wantAsked := func(gets int) {
			t.Helper()
			if r.asked[memjournal.Get] != gets || r.asked[memjournal.Find]+r.asked[memjournal.List] != 0 {
				t.Errorf("asked %v, want %d times get and no more", r.asked, gets)
			}
		}
		for range 3 {
			if _, err := r.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		wantAsked(1)
		<-time.After(10 * time.Second)
		if _, err := r.Authenticate(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		wantAsked(2)
		wantRefused(t, r.Service, "not even the prefix")
		wantRefused(t, r.Service, "pb_live_"+strings.Repeat("0", 250)+"_0") // longer than any key
		wantAsked(2)
	})
}

func TestARevocationIsKnownElsewhereAfterTenSeconds(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", 0)
		elsewhere := r.another(pepper)
		if _, err := elsewhere.Authenticate(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if err := r.Revoke(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		wantRefused(t, elsewhere, token)
	})
}

// While the journal is down, callers that were known before are accepted, so that fallbacks work.
func TestWithoutTheJournal(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		known, _ := r.create(t, "acme", 0)
		short, _ := r.create(t, "acme", time.Minute)
		stranger, _ := r.create(t, "acme", 0)
		revoked, k := r.create(t, "acme", 0)
		for _, token := range []string{known, short, revoked} {
			if _, err := r.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Revoke(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		r.failing(memjournal.Get, fault.Unavailable)
		unavailable := func(name, token string) {
			t.Helper()
			if _, err := r.Authenticate(t.Context(), token); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: %v, want unavailable", name, err)
			}
		}
		unavailable("one nobody has seen", stranger)
		unavailable("one that was revoked here", revoked)
		<-time.After(time.Hour - time.Microsecond)
		if who, err := r.Authenticate(t.Context(), known); err != nil || who.Tenant != "acme" {
			t.Errorf("one that was known less than an hour ago: got %+v, %v, want tenant acme", who, err)
		}
		wantRefused(t, r.Service, short) // its time ran out meanwhile
		wantRefused(t, r.Service, known+"0")
		<-time.After(time.Microsecond)
		unavailable("one that was known an hour ago", known)
	})
}

func TestAfterARestartWithoutTheJournal(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		local := memjournal.New(clock.System{})
		r.local = local
		r.Service = r.another(pepper)
		known, _ := r.create(t, "acme", 0)
		ended, _ := r.create(t, "acme", time.Minute)
		revoked, k := r.create(t, "acme", 0)
		elsewhere, k2 := r.create(t, "acme", 0)
		stranger, _ := r.create(t, "acme", 0)
		for _, token := range []string{known, ended, revoked, elsewhere} {
			if _, err := r.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Revoke(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		if err := r.another(pepper).Revoke(t.Context(), k2.ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(11 * time.Second)
		wantRefused(t, r.Service, elsewhere) // and so it is known here
		r.failing(memjournal.Get, fault.Unavailable)

		restarted := r.another(pepper)
		<-time.After(30 * time.Minute)
		if who, err := restarted.Authenticate(t.Context(), known); err != nil || who.Tenant != "acme" {
			t.Errorf("one that was used before: got %+v, %v, want tenant acme", who, err)
		}
		for _, token := range []string{ended, revoked, elsewhere, known + "0"} {
			wantRefused(t, restarted, token)
		}
		if _, err := restarted.Authenticate(t.Context(), stranger); !fault.Is(err, fault.Unavailable) {
			t.Errorf("one that was never used: got %v, want kind %v", err, fault.Unavailable)
		}
		<-time.After(30 * time.Minute)
		if _, err := restarted.Authenticate(t.Context(), known); !fault.Is(err, fault.Unavailable) {
			t.Errorf("one that was used an hour ago: got %v, want kind %v", err, fault.Unavailable)
		}
		page, err := local.List(t.Context(), "", kind, ports.Filter{}, "", 100)
		if err != nil || len(page.Records) != 4 {
			t.Fatalf("%d kept, %v, want 4 records", len(page.Records), err)
		}
		for _, kept := range page.Records {
			if strings.Contains(string(kept.Body), secretOf(known)) {
				t.Error("got the secret in the cache, want none")
			}
		}
	})
}

// The store has used up the whole deadline without an answer.
func TestAKnownKeyIsAcceptedAfterTheDeadlineOfTheStore(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.local = memjournal.New(clock.System{})
		r.Service = r.another(pepper)
		token, _ := r.create(t, "acme", 0)
		if _, err := r.Authenticate(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		end()
		if who, err := r.another(pepper).Authenticate(ctx, token); err != nil || who.Tenant != "acme" {
			t.Errorf("got %+v, %v, want tenant acme", who, err)
		}
	})
}

// The use of a key is not written with each request.
func TestAKeyInUseIsKeptSeldom(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		var saves int
		local := memjournal.New(clock.System{})
		local.Fail = func(op string) error {
			if op == memjournal.Save {
				saves++
			}
			return nil
		}
		r.local = local
		r.Service = r.another(pepper)
		token, _ := r.create(t, "acme", 0)
		for range 3600 { // an hour
			if _, err := r.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		if saves < 5 || saves > 7 {
			t.Errorf("%d writes in an hour, want saves at least 5, saves at most 7", saves)
		}
	})
}

// Only "unavailable" is a reason to trust the cache.
func TestAnUndecodableKeyIsRefused(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Internal, fault.UnknownOutcome, fault.Overloaded} {
		t.Run(kind.String(), func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				token, _ := r.create(t, "acme", 0)
				if _, err := r.Authenticate(t.Context(), token); err != nil {
					t.Fatal(err)
				}
				<-time.After(10 * time.Second)
				r.failing(memjournal.Get, kind)
				if _, err := r.Authenticate(t.Context(), token); !fault.Is(err, kind) {
					t.Errorf("%v, want %s", err, kind)
				}
			})
		})
	}
}

func TestARemovedKeyIsRefused(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, _ := r.create(t, "acme", 0)
		if _, err := r.Authenticate(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		r.failing(memjournal.Get, fault.NotFound)
		wantRefused(t, r.Service, token)
	})
}

func TestARecordThatIsNoKeyIsRefused(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", 0)
		record := r.record(t, k.ID)
		record.Body = []byte(`{"id":`)
		if err := r.journal.Save(t.Context(), &record)[0]; err != nil {
			t.Fatal(err)
		}
		if _, err := r.Authenticate(t.Context(), token); !fault.Is(err, fault.Internal) {
			t.Errorf("%v, want internal", err)
		}
		if _, err := r.List(t.Context()); !fault.Is(err, fault.Internal) {
			t.Errorf("List: %v, want internal", err)
		}
		if err := r.Revoke(t.Context(), k.ID); !fault.Is(err, fault.Internal) {
			t.Errorf("Revoke: %v, want internal", err)
		}
	})
}

func TestAllows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		scopes []string
		asked  string
		want   bool
	}{
		{"its scope", []string{"payments:read"}, "payments:read", true},
		{"one of several", []string{"payments:read", "emails:write"}, "emails:write", true},
		{"another", []string{"payments:read"}, "emails:read", false},
		{"writing, where reading is allowed", []string{"payments:read"}, "payments:write", false},
		{"reading, where writing is allowed", []string{"payments:write"}, "payments:read", false},
		{"all", []string{apikeys.All}, "users:write", true},
		{"none", nil, "users:write", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (apikeys.Identity{Scopes: tt.scopes}).Allows(tt.asked); got != tt.want {
				t.Errorf("%v allows %s: got %v, want %v", tt.scopes, tt.asked, got, tt.want)
			}
		})
	}
}

// Of all texts, only the key itself is accepted.
func FuzzAuthenticate(f *testing.F) {
	r := newRig()
	token, k, err := r.Create(f.Context(), "acme", "n", nil, 0)
	if err != nil {
		f.Fatal(err)
	}
	id := strings.TrimPrefix(k.ID, "key_")
	for _, seed := range []string{"", "pb_live_", "_", "id_", "pb_live_id_secret", "pb_live_id", "pb_live___", "id_secret0", "pb_live_id_\x00", "\xff_\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Id and secret are new in each run, so seeds can only name them.
		text = strings.NewReplacer("id", id, "secret", secretOf(token)).Replace(text)
		if text != token {
			wantRefused(t, r.Service, text)
			return
		}
		if who, err := r.Authenticate(t.Context(), text); err != nil || who.KeyID != k.ID {
			t.Errorf("got %+v, %v, want key id %v", who, err, k.ID)
		}
	})
}

// Earlier versions made keys for any tenant: one for the mock's would have given access to its
// records.
func TestAKeyOfAnInternalTenantIsRefused(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		token, k := r.create(t, "acme", 0)
		record := r.record(t, k.ID)
		record.Body = bytes.Replace(record.Body, []byte(`"acme"`), []byte(`"provider:mock"`), 1)
		if err := r.journal.Save(t.Context(), &record)[0]; err != nil {
			t.Fatal(err)
		}
		if who, err := r.Authenticate(t.Context(), token); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("got %+v, %v, want kind %v", who, err, fault.Unauthorized)
		}
	})
}
