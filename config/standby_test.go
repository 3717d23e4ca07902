package config_test

import (
	"testing"
	"time"

	"patchbay/config"
)

const onServer = "providers:\n  db: {type: postgres}\n  other: {type: postgres, database: other}\n"

func TestStandbyAndSpoolSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		spool      string // the file
	}{
		{"a file on this machine has no spool", "", ""},
		{"a server has a spool", "storage: {provider: db}\n" + onServer, "data/spool.db"},
		{"a server has its spool where it is configured", "storage: {provider: db, spool: /srv/spool.db}\n" + onServer, "/srv/spool.db"},
		{"a server has no spool if it is off", "storage: {provider: db, spool: off}\n" + onServer, ""},
	} {
		c, err := load(t, tt.text)
		if err != nil {
			t.Errorf("%s: error = %v, want none", tt.name, err)
		} else if c.Spool() != tt.spool {
			t.Errorf("%s: spool = %q, want %q", tt.name, c.Spool(), tt.spool)
		}
	}
	c, err := load(t, "storage: {provider: db, standby: other, standby_max_lag: 5m}\n"+onServer)
	if err != nil || c.Storage.StandbyMaxLag != 5*time.Minute || c.Provider["other"].Type.Name != "postgres" {
		t.Errorf("error = %v, configuration = %+v, want a lag of 5m and a standby of type postgres", err, c)
	}
	for _, m := range []mistake{
		{"a standby that is the store", "storage: {standby: local}", []string{`file:1: storage.standby: "local" is storage.provider too: name another store`}},
		{"a standby that does not exist", "storage: {standby: mirror}", []string{`file:1: storage.standby: there is no provider "mirror"; add it under providers`}},
		{"a standby for something else", "storage: {standby: catcher}", []string{`file:1: storage.standby: "catcher" is a provider for mail`}},
		{"a lag of zero", "storage: {standby_max_lag: 0s}", []string{"file:1: storage.standby_max_lag: must be at least 1s"}},
		{"an empty name of the spool", "storage: {spool: ''}", []string{"file:1: storage.spool: must name a file, such as data/spool.db, or be off"}},
		{"a retention shorter than that of keys", "storage: {retention: 2d}", []string{"file:1: storage.retention: must be at least 72h, for as long as idempotency keys are kept, or off"}},
	} {
		m.check(t)
	}
}

// A database has less time than a provider over the internet, whatever these are
// given by default.
func TestPoliciesOfStores(t *testing.T) {
	t.Parallel()
	c, err := load(t, "storage: {provider: db, standby: other}\n"+onServer+
		"policies: {default: {timeout: 9s, attempts: 5}, storage: {breaker: {open: 1s}}, other: {timeout: 1s}}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := config.StandardStoragePolicy()
	want.Breaker.Open = time.Second
	if got := c.Provider["db"].Policy; got != want {
		t.Errorf("policy of the store = %+v, want %+v", got, want)
	}
	want.Timeout = time.Second
	if got := c.Provider["other"].Policy; got != want {
		t.Errorf("policy of the standby = %+v, want %+v", got, want)
	}
	mistake{"a policy of a store on this machine", "policies: {local: {timeout: 1s}}", []string{
		"file:1: policies.local: is not default, an integration or a provider in use; there is catcher, default, mail, mock, payments, storage",
	}}.check(t)
}

// What is stored can be moved between stores that are not in use at the same time.
func TestStoresHoldsEveryConfiguredStore(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "storage: {provider: db}\npayments: {providers: [mock]}\n"+onServer+"  file: {type: sqlite, path: /srv/a/b.db}\n  spare: {type: mock}\n")
	for name, dir := range map[string]string{"db": "data", "other": "data", "file": "/srv/a", "local": "data"} {
		if p := c.Stores[name]; p.Name != name || p.Settings == nil || p.DataDir() != dir {
			t.Errorf("store %s = %+v with its secrets in %q, want settings, and secrets in %q", name, p, p.DataDir(), dir)
		}
	}
	if len(c.Stores) != 4 || len(c.Provider) != 3 {
		t.Errorf("got %d stores and %d providers in use, want 4 and 3", len(c.Stores), len(c.Provider))
	}
}
