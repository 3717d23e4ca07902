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
		"a URL with all parts":           {"postgres://ada:s%3Dcret@db.example.com:5433/shop", setting.Database{Host: "db.example.com", Port: 5433, Database: "shop", Username: "ada"}, ""},
		"the scheme postgresql":          {"postgresql://ada:s%3Dcret@db:5432/shop", setting.Database{Host: "db", Port: 5432, Database: "shop", Username: "ada"}, ""},
		"a host and a password":          {"postgres://:s%3Dcret@db", setting.Database{Host: "db", Port: 5432, Database: "patchbay", Username: "patchbay"}, ""},
		"the scheme of another database": {"mongodb://ada:s%3Dcret@db/shop", setting.Database{}, form},
		"no host":                        {"postgres:///shop", setting.Database{}, form},
		"an address without a scheme":    {"db.example.com", setting.Database{}, form},
		"TLS that is not verified": {
			"postgres://ada:s%3Dcret@db/shop?sslmode=require", setting.Database{}, form,
		},
		"a port that is not a number": {"postgres://ada:s%3Dcret@db:many/shop", setting.Database{}, form},
	} {
		d := setting.StandardDatabase("postgres", 5432)
		d.URL = setting.NewSecret(c.url)
		wrong := d.Check().String()
		if c.text != "" {
			if !strings.HasPrefix(wrong, "url: "+c.text) || strings.Contains(wrong, "cret") || strings.Contains(wrong, "\n") {
				t.Errorf("%s: Check = %q, want url and %q alone, without the password", name, wrong, c.text)
			}
			continue
		}
		if wrong != "" || d.Host != c.want.Host || d.Port != c.want.Port || d.Database != c.want.Database || d.Username != c.want.Username || d.Password.Reveal() != "s=cret" || !d.SSL {
			t.Errorf("%s: Check = %q, settings = %+v, want no mistake and %+v", name, wrong, d, c.want)
		}
	}
	d := setting.StandardDatabase("postgres", 5432)
	d.URL, d.Host = setting.NewSecret("postgres://db/shop"), "other"
	if wrong := d.Check().String(); !strings.HasPrefix(wrong, "url: says what host") {
		t.Errorf("URL and host: Check = %q, want url and \"says what host\"", wrong)
	}
}

func TestDatabaseCheckReportsWrongSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change     func(d *setting.Database)
		path, text string // nothing where it is right
	}{
		"the defaults":                          {func(*setting.Database) {}, "", ""},
		"no host":                               {func(d *setting.Database) { d.Host = "" }, "host", "is required"},
		"no database":                           {func(d *setting.Database) { d.Database = "" }, "database", "is required"},
		"no port":                               {func(d *setting.Database) { d.Port = 0 }, "port", "must be 1 to 65535"},
		"too high a port":                       {func(d *setting.Database) { d.Port = 65536 }, "port", "must be 1 to 65535"},
		"plaintext on this machine is accepted": {func(d *setting.Database) { d.SSL = false }, "", ""},
		"plaintext to another machine is refused":             {func(d *setting.Database) { d.SSL, d.Host = false, "db" }, "ssl", "may be false only for a server on this machine"},
		"plaintext to another machine is accepted if allowed": {func(d *setting.Database) { d.SSL, d.Host, d.AllowPlaintext = false, "db", true }, "", ""},
		"a maximum of one connection is refused":              {func(d *setting.Database) { d.Pool.Max = 1 }, "pool.max", "must be 2 to 1000"},
		"a minimum above the maximum is refused":              {func(d *setting.Database) { d.Pool.Min = 21 }, "pool.min", "must be 0 to pool.max"},
		"a certificate without its key":                       {func(d *setting.Database) { d.CertFile = "c" }, "cert_file", "and key_file belong together"},
		"an authority that does not exist":                    {func(d *setting.Database) { d.CAFile = filepath.Join(t.TempDir(), "ca") }, "ca_file", "cannot be read"},
	} {
		d := setting.StandardDatabase("postgres", 5432)
		c.change(d)
		want := ""
		if c.text != "" {
			want = c.path + ": " + c.text
		}
		if wrong := d.Check().String(); (want == "") != (wrong == "") || !strings.HasPrefix(wrong, want) || strings.Contains(wrong, "\n") {
			t.Errorf("%s: Check = %q, want %q alone", name, wrong, want)
		}
	}
}
