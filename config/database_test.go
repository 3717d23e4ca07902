package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/config"
)

// The brief's own form, number of milliseconds included.
func TestADatabaseAsTheBriefWritesIt(t *testing.T) {
	t.Parallel()
	for text, idle := range map[string]time.Duration{"30000": 30 * time.Second, "45s": 45 * time.Second} {
		file := filepath.Join(t.TempDir(), "patchbay.yaml")
		written := `
storage: {provider: main}
providers:
  main:
    type: postgres
    host: db.example.com
    port: 5433
    database: shop
    username: patchbay
    password: "${DB_PASSWORD}"
    ssl: true
    pool: {min: 1, max: 9, idle: ` + text + `}
`
		if err := os.WriteFile(file, []byte(written), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file, []string{"DB_PASSWORD=canary"}, types())
		if err != nil {
			t.Fatal(err)
		}
		d := c.Provider["main"].Settings.(*config.Database)
		if d.Host != "db.example.com" || d.Port != 5433 || d.Database != "shop" || d.Username != "patchbay" || d.Password.Reveal() != "canary" ||
			!d.SSL || d.Pool != (config.Pool{Min: 1, Max: 9, Idle: config.Idle(idle)}) {
			t.Errorf("%+v", d)
		}
		secure, err := d.TLS()
		if err != nil || secure.ServerName != "db.example.com" || secure.InsecureSkipVerify {
			t.Errorf("%+v, %v", secure, err)
		}
	}
}

func TestADatabaseAsOneURL(t *testing.T) {
	t.Parallel()
	const form = "must be postgres://username:password@host:port/database"
	for name, c := range map[string]struct {
		url  string
		want config.Database // of what a URL says
		text string          // of the mistake
	}{
		"all of it":             {"postgres://ada:s%3Dcret@db.example.com:5433/shop", config.Database{Host: "db.example.com", Port: 5433, Database: "shop", Username: "ada"}, ""},
		"its other scheme":      {"postgresql://ada:s%3Dcret@db:5432/shop", config.Database{Host: "db", Port: 5432, Database: "shop", Username: "ada"}, ""},
		"a host and a password": {"postgres://:s%3Dcret@db", config.Database{Host: "db", Port: 5432, Database: "patchbay", Username: "patchbay"}, ""},
		"another database's":    {"mongodb://ada:s%3Dcret@db/shop", config.Database{}, form},
		"no host":               {"postgres:///shop", config.Database{}, form},
		"no URL":                {"db.example.com", config.Database{}, form},
		"TLS that is not verified": {
			"postgres://ada:s%3Dcret@db/shop?sslmode=require", config.Database{}, form,
		},
		"a port that is none": {"postgres://ada:s%3Dcret@db:many/shop", config.Database{}, form},
	} {
		d := config.StandardDatabase("postgres", 5432)
		d.URL = config.NewSecret(c.url)
		path, text := d.Check()
		if c.text != "" {
			if path != "url" || !strings.HasPrefix(text, c.text) || strings.Contains(text, "cret") {
				t.Errorf("%s: %s %s", name, path, text)
			}
			continue
		}
		if text != "" || d.Host != c.want.Host || d.Port != c.want.Port || d.Database != c.want.Database || d.Username != c.want.Username || d.Password.Reveal() != "s=cret" || !d.SSL {
			t.Errorf("%s: %s %s, %+v", name, path, text, d)
		}
	}
	d := config.StandardDatabase("postgres", 5432)
	d.URL, d.Host = config.NewSecret("postgres://db/shop"), "other"
	if path, text := d.Check(); path != "url" || !strings.HasPrefix(text, "says what host") {
		t.Errorf("said twice: %s %s", path, text)
	}
}

func TestWhatADatabaseMustHave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change     func(d *config.Database)
		path, text string // nothing where it is right
	}{
		"the defaults":                     {func(*config.Database) {}, "", ""},
		"no host":                          {func(d *config.Database) { d.Host = "" }, "host", "must be written"},
		"no database":                      {func(d *config.Database) { d.Database = "" }, "database", "must be written"},
		"no port":                          {func(d *config.Database) { d.Port = 0 }, "port", "must be 1 to 65535"},
		"too high a port":                  {func(d *config.Database) { d.Port = 65536 }, "port", "must be 1 to 65535"},
		"in the clear, here":               {func(d *config.Database) { d.SSL = false }, "", ""},
		"in the clear, elsewhere":          {func(d *config.Database) { d.SSL, d.Host = false, "db" }, "ssl", "may be false only for a server on this machine"},
		"in the clear, elsewhere, allowed": {func(d *config.Database) { d.SSL, d.Host, d.AllowPlaintext = false, "db", true }, "", ""},
		"one connection":                   {func(d *config.Database) { d.Pool.Max = 1 }, "pool.max", "must be 2 to 1000"},
		"more kept than there may be":      {func(d *config.Database) { d.Pool.Min = 21 }, "pool.min", "must be 0 to pool.max"},
		"a certificate without its key":    {func(d *config.Database) { d.CertFile = "c" }, "cert_file", "and key_file belong together"},
		"an authority that is not there":   {func(d *config.Database) { d.CAFile = filepath.Join(t.TempDir(), "ca") }, "ca_file", "cannot be read"},
	} {
		d := config.StandardDatabase("postgres", 5432)
		c.change(d)
		path, text := d.Check()
		if path != c.path || (c.text == "") != (text == "") || !strings.HasPrefix(text, c.text) {
			t.Errorf("%s: %s %s, want %s %s", name, path, text, c.path, c.text)
		}
	}
}
