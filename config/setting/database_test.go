package setting_test

import (
	"path/filepath"
	"strings"
	"testing"

	"patchbay/config/setting"
)

func TestADatabaseURLSetsTheSingleSettings(t *testing.T) {
	t.Parallel()
	const form = "must be postgres://username:password@host:port/database"
	for name, c := range map[string]struct {
		url  string
		want setting.Database // of what a URL says
		text string           // of the mistake
	}{
		"all of it":             {"postgres://ada:s%3Dcret@db.example.com:5433/shop", setting.Database{Host: "db.example.com", Port: 5433, Database: "shop", Username: "ada"}, ""},
		"its other scheme":      {"postgresql://ada:s%3Dcret@db:5432/shop", setting.Database{Host: "db", Port: 5432, Database: "shop", Username: "ada"}, ""},
		"a host and a password": {"postgres://:s%3Dcret@db", setting.Database{Host: "db", Port: 5432, Database: "patchbay", Username: "patchbay"}, ""},
		"another database's":    {"mongodb://ada:s%3Dcret@db/shop", setting.Database{}, form},
		"no host":               {"postgres:///shop", setting.Database{}, form},
		"no URL":                {"db.example.com", setting.Database{}, form},
		"TLS that is not verified": {
			"postgres://ada:s%3Dcret@db/shop?sslmode=require", setting.Database{}, form,
		},
		"a port that is none": {"postgres://ada:s%3Dcret@db:many/shop", setting.Database{}, form},
	} {
		d := setting.StandardDatabase("postgres", 5432)
		d.URL = setting.NewSecret(c.url)
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
	d := setting.StandardDatabase("postgres", 5432)
	d.URL, d.Host = setting.NewSecret("postgres://db/shop"), "other"
	if path, text := d.Check(); path != "url" || !strings.HasPrefix(text, "says what host") {
		t.Errorf("said twice: %s %s", path, text)
	}
}

func TestDatabaseCheckReportsWrongSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change     func(d *setting.Database)
		path, text string // nothing where it is right
	}{
		"the defaults":                     {func(*setting.Database) {}, "", ""},
		"no host":                          {func(d *setting.Database) { d.Host = "" }, "host", "must be written"},
		"no database":                      {func(d *setting.Database) { d.Database = "" }, "database", "must be written"},
		"no port":                          {func(d *setting.Database) { d.Port = 0 }, "port", "must be 1 to 65535"},
		"too high a port":                  {func(d *setting.Database) { d.Port = 65536 }, "port", "must be 1 to 65535"},
		"in the clear, here":               {func(d *setting.Database) { d.SSL = false }, "", ""},
		"in the clear, elsewhere":          {func(d *setting.Database) { d.SSL, d.Host = false, "db" }, "ssl", "may be false only for a server on this machine"},
		"in the clear, elsewhere, allowed": {func(d *setting.Database) { d.SSL, d.Host, d.AllowPlaintext = false, "db", true }, "", ""},
		"one connection":                   {func(d *setting.Database) { d.Pool.Max = 1 }, "pool.max", "must be 2 to 1000"},
		"more kept than there may be":      {func(d *setting.Database) { d.Pool.Min = 21 }, "pool.min", "must be 0 to pool.max"},
		"a certificate without its key":    {func(d *setting.Database) { d.CertFile = "c" }, "cert_file", "and key_file belong together"},
		"an authority that is not there":   {func(d *setting.Database) { d.CAFile = filepath.Join(t.TempDir(), "ca") }, "ca_file", "cannot be read"},
	} {
		d := setting.StandardDatabase("postgres", 5432)
		c.change(d)
		path, text := d.Check()
		if path != c.path || (c.text == "") != (text == "") || !strings.HasPrefix(text, c.text) {
			t.Errorf("%s: %s %s, want %s %s", name, path, text, c.path, c.text)
		}
	}
}
