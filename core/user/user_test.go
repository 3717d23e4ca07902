package user_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"patchbay/core/user"
)

func TestNewUser(t *testing.T) {
	t.Parallel()
	metadata := map[string]string{"plan": "pro"}
	u, err := user.New("usr_1", "acme", "Ada@Example.com", "  Ada Lovelace ", metadata, now)
	if err != nil {
		t.Fatal(err)
	}
	metadata["plan"] = "changed by its owner"
	if u.ID != "usr_1" || u.Tenant != "acme" || u.Email != "ada@example.com" || u.Name != "Ada Lovelace" ||
		u.Metadata["plan"] != "pro" || u.Version != 1 || !u.CreatedAt.Equal(now) || !u.UpdatedAt.Equal(now) {
		t.Errorf("%+v", u)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	one := func(k, v string) map[string]string { return map[string]string{k: v} }
	tests := []struct {
		name     string
		called   string
		metadata map[string]string
		param    string // empty: accepted
		code     string
	}{
		{"no name and no metadata", "", nil, "", ""},
		{"a name of 200 characters in more bytes", strings.Repeat("é", 200), nil, "", ""},
		{"a name of 201 characters", strings.Repeat("a", 201), nil, "name", "invalid_name"},
		{"a name of 201 characters with the space around it", " " + strings.Repeat("a", 200), nil, "", ""},
		{"a name on two lines", "Ada\nLovelace", nil, "name", "invalid_name"},
		{"a name with a carriage return", "Ada\rLovelace", nil, "name", "invalid_name"},
		{"a name with a zero byte", "Ada\x00", nil, "name", "invalid_name"},
		{"50 keys", "", entries(50), "", ""},
		{"51 keys", "", entries(51), "metadata", "too_many_keys"},
		{"a key of 40 characters in more bytes", "", one(strings.Repeat("é", 40), "v"), "", ""},
		{"a key of 41 characters", "", one(strings.Repeat("k", 41), "v"), "metadata." + strings.Repeat("k", 41), "invalid_metadata"},
		{"an empty key", "", one("", "v"), "metadata", "invalid_metadata"},
		{"a key with a zero byte, which not every store keeps", "", one("k\x00", "v"), "metadata.k\ufffd", "invalid_metadata"},
		{"an empty value", "", one("k", ""), "", ""},
		{"a value of 500 characters in more bytes", "", one("k", strings.Repeat("é", 500)), "", ""},
		{"a value of 501 characters", "", one("k", strings.Repeat("v", 501)), "metadata.k", "invalid_metadata"},
		{"a value on two lines", "", one("k", "a\r\nb"), "", ""},
		{"a value with a zero byte, which not every store keeps", "", one("k", "a\x00b"), "metadata.k", "invalid_metadata"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := user.New("usr_1", "acme", "ada@example.com", tt.called, tt.metadata, now)
			if tt.param == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, tt.param, tt.code)
		})
	}
}

func entries(n int) map[string]string {
	m := make(map[string]string, n)
	for i := range n {
		m[fmt.Sprint("key", i)] = "v"
	}
	return m
}

func TestApply(t *testing.T) {
	t.Parallel()
	before := user.User{
		ID: "usr_1", Tenant: "acme", Email: "ada@example.com", Name: "Ada",
		Metadata: map[string]string{"plan": "pro", "seat": "1"}, Version: 3, CreatedAt: now, UpdatedAt: now,
	}
	ptr := func(s string) *string { return &s }
	tests := []struct {
		name   string
		patch  user.Patch
		change func(*user.User) // to what before is
	}{
		{"nothing", user.Patch{}, func(*user.User) {}},
		{"an email, normalized", user.Patch{Email: ptr(" Eve@Example.COM ")}, func(u *user.User) { u.Email = "eve@example.com" }},
		{"a name, without the space around it", user.Patch{Name: ptr(" Eve ")}, func(u *user.User) { u.Name = "Eve" }},
		{"an empty name clears it", user.Patch{Name: ptr("")}, func(u *user.User) { u.Name = "" }},
		{"a key more", user.Patch{Metadata: map[string]*string{"new": ptr("x")}}, func(u *user.User) { u.Metadata["new"] = "x" }},
		{"a key's value", user.Patch{Metadata: map[string]*string{"plan": ptr("free")}}, func(u *user.User) { u.Metadata["plan"] = "free" }},
		{"an empty value stays a value", user.Patch{Metadata: map[string]*string{"plan": ptr("")}}, func(u *user.User) { u.Metadata["plan"] = "" }},
		{"a key deleted", user.Patch{Metadata: map[string]*string{"plan": nil}}, func(u *user.User) { delete(u.Metadata, "plan") }},
		{"a key deleted that is not there", user.Patch{Metadata: map[string]*string{"gone": nil}}, func(*user.User) {}},
		{"all keys deleted", user.Patch{ClearMetadata: true}, func(u *user.User) { u.Metadata = map[string]string{} }},
		{
			"all keys replaced",
			user.Patch{ClearMetadata: true, Metadata: map[string]*string{"plan": nil, "new": ptr("x")}},
			func(u *user.User) { u.Metadata = map[string]string{"new": "x"} },
		},
		{"an empty patch of the metadata", user.Patch{Metadata: map[string]*string{}}, func(*user.User) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want, origin := copyOf(before), copyOf(before)
			tt.change(&want)
			later := now.Add(time.Hour)
			want.Version, want.UpdatedAt = 4, later
			got, err := origin.Apply(tt.patch, later)
			if err != nil || !equal(got, want) {
				t.Errorf("%+v (%v), want %+v", got, err, want)
			}
			if !equal(origin, before) {
				t.Errorf("what it was applied to became %+v", origin)
			}
		})
	}
}

func TestApplyToAUserWithoutMetadata(t *testing.T) {
	t.Parallel()
	value := "x"
	u, err := user.User{Email: "ada@example.com"}.Apply(user.Patch{Metadata: map[string]*string{"new": &value}}, now)
	if err != nil || u.Metadata["new"] != "x" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestApplyRefusesWhatNewWould(t *testing.T) {
	t.Parallel()
	ptr := func(s string) *string { return &s }
	full, err := user.New("usr_1", "acme", "ada@example.com", "", entries(50), now)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		patch       user.Patch
		param, code string
	}{
		{"an email that is none", user.Patch{Email: ptr("ada")}, "email", "invalid_email"},
		{"no email", user.Patch{Email: ptr("")}, "email", "invalid_email"},
		{"a name on two lines", user.Patch{Name: ptr("a\nb")}, "name", "invalid_name"},
		{"a key too many together with those there", user.Patch{Metadata: map[string]*string{"one more": ptr("")}}, "metadata", "too_many_keys"},
		{"a value that is too long", user.Patch{Metadata: map[string]*string{"key1": ptr(strings.Repeat("v", 501))}}, "metadata.key1", "invalid_metadata"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := full.Apply(tt.patch, now)
			refused(t, err, tt.param, tt.code)
		})
	}
	swap := user.Patch{Metadata: map[string]*string{"one more": ptr(""), "key1": nil}}
	if _, err := full.Apply(swap, now); err != nil {
		t.Errorf("one key for another: %v", err)
	}
}

func copyOf(u user.User) user.User {
	u.Metadata = maps.Clone(u.Metadata)
	return u
}

func equal(a, b user.User) bool {
	sameData := maps.Equal(a.Metadata, b.Metadata)
	a.Metadata, b.Metadata = nil, nil
	return sameData && fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b)
}
