package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/storage/pgstore"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/config"
	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/core/money"
	"patchbay/core/template"
)

// acme is a real provider, which the catalogue of today has none of, with a
// setting of each type that a setting can have.
type acme struct {
	Text     string           `config:"text"`
	Number   int              `config:"number"`
	Wait     time.Duration    `config:"wait"`
	Password setting.Secret   `config:"password"`
	List     []string         `config:"list"`
	Secrets  []setting.Secret `config:"secrets"`
	Pool     pool             `config:"pool"`
}

type pool struct {
	Max  int           `config:"max"`
	Idle time.Duration `config:"idle"`
}

// Check wants a setting that the others do not need.
func (a *acme) Check() (all setting.Mistakes) {
	all.Require(a.Text != "", "text", "is required")
	return all
}

// types are some of the catalogue, and acme.
func types() []setting.Described {
	return []setting.Described{
		sqlitestore.Provider, mockpay.Provider, catchermail.Provider, pgstore.Provider,
		setting.Type{Name: "acme", Sort: setting.ForPayments, Settings: func() any { return &acme{Number: 7, Pool: pool{Max: 20}} }},
	}
}

// load reads a text as a file. In what it says the file is called "file".
func load(t testing.TB, text string, environ ...string) (*config.Config, error) {
	t.Helper()
	return loadWith(t, text, types(), environ...)
}

// loadWith is load with other types.
func loadWith(t testing.TB, text string, types []setting.Described, environ ...string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "patchbay.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, environ, types)
	var mistakes config.Mistakes
	if errors.As(err, &mistakes) {
		for i := range mistakes {
			mistakes[i].File = strings.Replace(mistakes[i].File, path, "file", 1)
		}
	}
	return c, err
}

func mustLoad(t testing.TB, text string, environ ...string) *config.Config {
	t.Helper()
	c, err := load(t, text, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func settings[T any](t testing.TB, c *config.Config, name string) T {
	t.Helper()
	s, ok := c.Provider[name].Settings.(T)
	if !ok {
		t.Fatalf("settings of provider %q are a %T, want a %T", name, c.Provider[name].Settings, s)
	}
	return s
}

func TestTheDefaultsAreALocalGateway(t *testing.T) {
	t.Parallel()
	// None of these variables is a setting: it has no two underscores.
	c, err := config.Load("", []string{"HOME=/root", "PATCHBAY_CONFIG=", "PATCHBAY_PORT=80"}, types())
	if err != nil {
		t.Fatal(err)
	}
	providers := c.Provider
	c.Provider, c.Stores, c.Types = nil, nil, nil
	want := &config.Config{
		Server:   config.Server{Address: "127.0.0.1:8080", AdminAddress: "127.0.0.1:8081", Memory: 256 << 20},
		Auth:     config.Auth{Mode: "auto"},
		Payments: config.Payments{Providers: []string{"mock"}, Currencies: money.Default},
		Mail:     config.Mail{Providers: []string{"catcher"}, From: "patchbay@localhost.localdomain", Delivery: email.AtLeastOnce, Templates: config.Templates{Directory: config.DefaultTemplates, MissingKey: template.MissingIsError}, Suppressions: config.Suppressions{Complaints: "marketing"}},
		Storage:  config.Storage{Provider: "local", StandbyMaxLag: time.Minute, Spool: "data/spool.db", Retention: setting.Age(90 * 24 * time.Hour)},
		Log:      config.Log{Level: "info", Format: "text", Requests: true},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
	for name, kind := range map[string]string{"mock": "mock", "catcher": "catcher", "local": "sqlite"} {
		if p := providers[name]; p.Name != name || p.Type.Name != kind || p.Settings == nil {
			t.Errorf("provider %q = %+v, want it with the type %s and settings", name, p, kind)
		}
	}
	if len(providers) != 3 {
		t.Errorf("got %d providers, want 3", len(providers))
	}
	if c.KeysRequired() {
		t.Error("KeysRequired on loopback = true, want false")
	}
}

func TestAnEmptyFileMeansTheDefaults(t *testing.T) {
	t.Parallel()
	nothing, err := config.Load("", nil, types())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "a comment": "# later\n", "a document that is empty": "---\n# later\n", "null": "~\n",
		"sections without settings": "server:\nauth: ~\nproviders:\n", "keys without values": "server:\n  address:\nlog: {level: }\n",
		"an empty mapping": "{}", "ends as YAML may": "---\nlog: {}\n...\n",
	} {
		c := mustLoad(t, text)
		if !reflect.DeepEqual(c.Server, nothing.Server) || !reflect.DeepEqual(c.Mail, nothing.Mail) || len(c.Provider) != 3 {
			t.Errorf("%s: got %+v, want the defaults", name, c)
		}
	}
}

func TestAnUnreadableFileIsAnErrorOtherThanMistakes(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"missing": filepath.Join(t.TempDir(), "none.yaml"), "a directory": t.TempDir()} {
		_, err := config.Load(path, nil, types())
		var mistakes config.Mistakes
		if err == nil || errors.As(err, &mistakes) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error = %v, want one that names %s and is no Mistakes", name, err, path)
		}
	}
}

func TestSettingsOfEveryTypeAreRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from a file\r\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, `payments: {providers: [shop], currencies: [jpy]}
providers:
  shop:
    type: acme
    text: "${GREETING}, ${NAME}"
    number: 42
    wait: 1m30s
    password: ${file:`+file+`}
    list: [a, "b, c"]
    secrets: ["${ONE}", "${TWO}"]
    pool: {idle: 0}
`, "GREETING=hello", "NAME=Ada=Lovelace", "ONE=1", "TWO=2")
	got := settings[*acme](t, c, "shop")
	want := &acme{
		Text: "hello, Ada=Lovelace", Number: 42, Wait: 90 * time.Second, Password: setting.NewSecret("from a file"),
		List: []string{"a", "b, c"}, Secrets: []setting.Secret{setting.NewSecret("1"), setting.NewSecret("2")},
		Pool: pool{Max: 20},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got.Password.Reveal() != "from a file" || got.Secrets[1].Reveal() != "2" {
		t.Errorf("secrets = %q and %q, want %q and %q", got.Password.Reveal(), got.Secrets[1].Reveal(), "from a file", "2")
	}
}

func TestProvidersInUse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       map[string]string // name to type
	}{
		{
			"one that is configured beside the builtin ones", "payments: {providers: [mock, two]}\nproviders: {two: {type: mock}}",
			map[string]string{"mock": "mock", "two": "mock", "catcher": "catcher", "local": "sqlite"},
		},
		{
			"one in place of a builtin one", "payments: {providers: [mock]}\nproviders: {mock: {type: acme, text: x}}",
			map[string]string{"mock": "acme", "catcher": "catcher", "local": "sqlite"},
		},
		{
			"a builtin one that is only set otherwise", "providers: {local: {path: /srv/p.db}}",
			map[string]string{"mock": "mock", "catcher": "catcher", "local": "sqlite"},
		},
		{
			"one that nothing uses is left out", "providers: {spare: {type: mock}}",
			map[string]string{"mock": "mock", "catcher": "catcher", "local": "sqlite"},
		},
	}
	for _, tt := range tests {
		got := map[string]string{}
		for name, p := range mustLoad(t, tt.text).Provider {
			got[name] = p.Type.Name
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestKeysRequiredByModeAndAddress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		address, mode string
		want          bool
	}{
		{"127.0.0.1:8080", "auto", false},
		{"[::1]:8080", "auto", false},
		{"0.0.0.0:8080", "auto", true},
		{":8080", "auto", true},
		{"127.0.0.1:8080", "required", true},
		{"0.0.0.0:8080", "required", true},
		{"127.0.0.1:8080", "off", false},
	}
	for _, tt := range tests {
		c := mustLoad(t, "", "PATCHBAY_SERVER__ADDRESS="+tt.address, "PATCHBAY_AUTH__MODE="+tt.mode)
		if got := c.KeysRequired(); got != tt.want {
			t.Errorf("KeysRequired in mode %s on %s = %t, want %t", tt.mode, tt.address, got, tt.want)
		}
	}
}

func TestDataDirIsTheDirectoryOfTheDatabase(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"": "data", "/srv/patchbay/p.db": "/srv/patchbay", "p.db": ".", "./data/p.db": "data",
	} {
		text := ""
		if path != "" {
			text = "providers: {local: {type: sqlite, path: " + path + "}}"
		}
		if got := mustLoad(t, text).DataDir(); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}
