package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/config"
	"patchbay/core/money"
)

// canary is what must be seen nowhere.
const canary = "whsec_canary"

func TestTheEnvironmentOverridesTheFile(t *testing.T) {
	t.Parallel()
	const file = `server: {address: "127.0.0.1:1"}
payments: {providers: [shop-eu]}
providers:
  shop-eu: {type: acme, text: from the file, number: 1}
  local: {type: sqlite, path: from/the/file.db}
`
	type check func(t *testing.T, c *config.Config) (got, want any)
	tests := []struct {
		name, variable string
		check          check
	}{
		{"a setting that the file has", "PATCHBAY_SERVER__ADDRESS=127.0.0.1:2", func(_ *testing.T, c *config.Config) (got, want any) {
			return c.Server.Address, "127.0.0.1:2"
		}},
		{"a setting that it has not", "PATCHBAY_LOG__LEVEL=debug", func(_ *testing.T, c *config.Config) (got, want any) {
			return c.Log, config.Log{Level: "debug", Format: "text", Requests: true}
		}},
		{"a name of two words", "PATCHBAY_SERVER__ADMIN_ADDRESS=[::1]:3", func(_ *testing.T, c *config.Config) (got, want any) {
			return c.Server, config.Server{Address: "127.0.0.1:1", AdminAddress: "[::1]:3", Memory: 256 << 20}
		}},
		{"a name in small letters", "PATCHBAY_log__level=debug", func(_ *testing.T, c *config.Config) (got, want any) {
			return c.Log.Level, "debug"
		}},
		{"a list", "PATCHBAY_PAYMENTS__CURRENCIES=chf, jpy ,usd", func(_ *testing.T, c *config.Config) (got, want any) {
			return c.Payments.Currencies, []money.Currency{"chf", "jpy", "usd"}
		}},
		{"a list of one", "PATCHBAY_PAYMENTS__CURRENCIES=chf", func(_ *testing.T, c *config.Config) (got, want any) {
			return c.Payments.Currencies, []money.Currency{"chf"}
		}},
		{"a value with = in it", "PATCHBAY_PROVIDERS__SHOP_EU__TEXT=a=b", func(t *testing.T, c *config.Config) (got, want any) {
			return settings[*acme](t, c, "shop-eu").Text, "a=b"
		}},
		{"a number", "PATCHBAY_PROVIDERS__SHOP_EU__NUMBER=2", func(t *testing.T, c *config.Config) (got, want any) {
			s := settings[*acme](t, c, "shop-eu")
			return []any{s.Number, s.Text}, []any{2, "from the file"}
		}},
		{"a duration", "PATCHBAY_PROVIDERS__SHOP_EU__WAIT=3h", func(t *testing.T, c *config.Config) (got, want any) {
			return settings[*acme](t, c, "shop-eu").Wait, 3 * time.Hour
		}},
		{"a setting within another", "PATCHBAY_PROVIDERS__SHOP_EU__POOL__MAX=5", func(t *testing.T, c *config.Config) (got, want any) {
			return settings[*acme](t, c, "shop-eu").Pool.Max, 5
		}},
		{"a secret, written out", "PATCHBAY_PROVIDERS__SHOP_EU__PASSWORD=" + canary, func(t *testing.T, c *config.Config) (got, want any) {
			return settings[*acme](t, c, "shop-eu").Password.Reveal(), canary
		}},
		{"a list of secrets", "PATCHBAY_PROVIDERS__SHOP_EU__SECRETS=one,two", func(t *testing.T, c *config.Config) (got, want any) {
			s := settings[*acme](t, c, "shop-eu").Secrets
			return []string{s[0].Reveal(), s[1].Reveal()}, []string{"one", "two"}
		}},
		{"a builtin provider that the file does not have", "PATCHBAY_PROVIDERS__CATCHER__KEEP=5", func(t *testing.T, c *config.Config) (got, want any) {
			return settings[*catchermail.Settings](t, c, "catcher"), &catchermail.Settings{Path: "data/mail", Keep: 5}
		}},
		{"a builtin provider that the file has", "PATCHBAY_PROVIDERS__LOCAL__PATH=p.db", func(t *testing.T, c *config.Config) (got, want any) {
			return settings[*sqlitestore.Settings](t, c, "local").Path, "p.db"
		}},
		{"a variable that is no setting", "PATCHBAY_SERVER_ADDRESS=127.0.0.1:4", func(_ *testing.T, c *config.Config) (got, want any) {
			return c.Server.Address, "127.0.0.1:1"
		}},
		{"another program's variable", "SERVER__ADDRESS=127.0.0.1:4", func(_ *testing.T, c *config.Config) (got, want any) {
			return c.Server.Address, "127.0.0.1:1"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, want := tt.check(t, mustLoad(t, file, tt.variable))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestAProviderConfiguredByTheEnvironmentAlone(t *testing.T) {
	t.Parallel()
	c, err := config.Load("", []string{
		"PATCHBAY_PAYMENTS__PROVIDERS=shop", "PATCHBAY_PROVIDERS__SHOP__TYPE=acme", "PATCHBAY_PROVIDERS__SHOP__TEXT=x",
		"PATCHBAY_PROVIDERS__LOCAL__PATH=/srv/patchbay.db",
	}, types())
	if err != nil {
		t.Fatal(err)
	}
	if got := settings[*acme](t, c, "shop").Text; got != "x" {
		t.Errorf("text = %q, want %q", got, "x")
	}
	if got := c.DataDir(); got != "/srv" {
		t.Errorf("DataDir = %q, want %q", got, "/srv")
	}
}

// Of two providers whose names a variable cannot tell apart it means the one
// that it spells.
func TestAVariableSetsTheProviderWithExactlyItsName(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "payments: {providers: [a-b, a_b]}\nproviders: {a-b: {type: mock}, a_b: {type: mock}}", "PATCHBAY_PROVIDERS__A_B__FAULT=refused")
	for name, want := range map[string]string{"a-b": "", "a_b": "refused"} {
		if got := settings[*mockpay.Settings](t, c, name).Fault; got != want {
			t.Errorf("fault of %s = %q, want %q", name, got, want)
		}
	}
}

func TestMistakesInTheEnvironmentAreReported(t *testing.T) {
	t.Parallel()
	tests := []struct {
		mistake
		environ []string
	}{
		{mistake{"a value", "log: {level: debug}", []string{
			`environment: log.level: "loud" must be one of debug, info, warn, error`,
		}}, []string{"PATCHBAY_LOG__LEVEL=loud"}},
		{mistake{"a value that is empty", "", []string{
			`environment: server.address: "" is not an address such as 127.0.0.1:8080`,
		}}, []string{"PATCHBAY_SERVER__ADDRESS="}},
		{mistake{"an unknown section", "log: {level: debug}", []string{
			"environment: servr: is not a setting; did you mean server?",
		}}, []string{"PATCHBAY_SERVR__ADDRESS=127.0.0.1:1"}},
		{mistake{"an unknown setting", "log:\n  level: debug\n", []string{
			"environment: log.levle: is not a setting; did you mean level?",
		}}, []string{"PATCHBAY_LOG__LEVLE=debug"}},
		{mistake{"settings of a setting", "", []string{
			"environment: log.level: must be a single value",
		}}, []string{"PATCHBAY_LOG__LEVEL__X=debug"}},
		{mistake{"an item of a list", "", []string{
			`environment: payments.currencies[1]: "xxx" is not a known currency; write for example usd`,
		}}, []string{"PATCHBAY_PAYMENTS__CURRENCIES=usd,xxx"}},
		{mistake{"a provider that has no type", "providers:\n  mock: {type: mock}\n", []string{
			"environment: providers.shop.type: must say one of sqlite, mock, catcher, postgres, acme",
		}}, []string{"PATCHBAY_PROVIDERS__SHOP__TEXT=x"}},
		{mistake{"a provider in one variable", "", []string{
			"environment: providers.shop: must be a mapping with a type",
		}}, []string{"PATCHBAY_PROVIDERS__SHOP=acme"}},
		{mistake{"what the file lacks is the file's mistake", "providers:\n  shop: {text: x}\n", []string{
			"file:2: providers.shop.type: must say one of sqlite, mock, catcher, postgres, acme",
		}}, []string{"PATCHBAY_PROVIDERS__SHOP__NUMBER=1"}},
		{mistake{"no section of the file is hidden", "storage: local\nproviders: [local]\n", []string{
			"file:1: storage: must be a mapping", "file:2: providers: must be a mapping",
		}}, []string{"PATCHBAY_STORAGE__PROVIDER=local", "PATCHBAY_PROVIDERS__LOCAL__PATH=p.db"}},
		{mistake{"a secret that is empty", "", []string{
			"environment: providers.mock.webhook_secrets[1]: is empty",
		}}, []string{"PATCHBAY_PROVIDERS__MOCK__WEBHOOK_SECRETS=" + canary + ","}},
	}
	for _, tt := range tests {
		tt.check(t, tt.environ...)
	}
}

// Go's maps have no order: only one of many runs would show that it matters.
func TestASettingAndSettingsOfItAreRefusedInAnyOrder(t *testing.T) {
	t.Parallel()
	for range 30 {
		_, err := load(t, "", "PATCHBAY_LOG__LEVEL=debug", "PATCHBAY_LOG__LEVEL__X=debug")
		if err == nil || !strings.Contains(err.Error(), "environment: log.level.x: is set, and log.level is too; keep one") {
			t.Fatalf("error = %v, want one about log.level.x", err)
		}
	}
}

func TestReferencesAreExpanded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("${A}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, value, want string }{
		{"a variable", "${A}", "1"},
		{"two, and text", "<${A}-${B}>", "<1-two words>"},
		{"a variable that is empty", "x${EMPTY}y", "xy"},
		{"a file, of which nothing is a reference", "${file:" + file + "}", "${A}"},
		{"a variable whose value looks like a reference", "${NESTED}", "${A}"},
		{"what is no reference", "$A {A} $", "$A {A} $"},
		{"one that is not closed", "${A", "${A"},
	}
	for _, tt := range tests {
		c := mustLoad(t, "payments: {providers: [a]}\nproviders: {a: {type: acme, text: '"+tt.value+"'}}",
			"A=1", "AA=wrong", "B=two words", "EMPTY=", "NESTED=${A}")
		if got := settings[*acme](t, c, "a").Text; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMistakesInReferencesAreReported(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	const inFile = "is a secret and must not be in the file; write ${NAME} or ${file:/path}"
	for _, tt := range []mistake{
		{"a variable that is not set", "server:\n  address: ${NONE}\n", []string{"file:2: server.address: the environment has no NONE"}},
		{"one of two", "mail: {from: '${A}@${NONE}'}", []string{"file:1: mail.from: the environment has no NONE"}},
		{"no name", "mail: {from: '${}'}", []string{"file:1: mail.from: the environment has no "}},
		{"a list in which one is not set", "payments:\n  providers:\n  - mock\n  - ${NONE}\n", []string{
			"file:4: payments.providers[1]: the environment has no NONE",
		}},
		{"a file that does not exist", "mail: {from: '${file:" + none + "}'}", []string{
			"file:1: mail.from: the file of ${file:" + none + "} cannot be read",
		}},
		{"a secret in the file", "providers:\n  mock:\n    type: mock\n    webhook_secrets:\n    - ${A}\n    - " + canary + "\n", []string{
			"file:6: providers.mock.webhook_secrets[1]: " + inFile,
		}},
		{"half a secret in the file", "providers: {a: {type: acme, text: x, password: '" + canary + "${A}'}}", []string{
			"file:1: providers.a.password: " + inFile,
		}},
		{"a secret in place of a list", "providers: {mock: {type: mock, webhook_secrets: " + canary + "}}", []string{
			"file:1: providers.mock.webhook_secrets: must be a list such as [a, b]",
		}},
		{"a secret in a list in place of a value", "providers: {a: {type: acme, text: x, password: [" + canary + "]}}", []string{
			"file:1: providers.a.password: must be a single value",
		}},
		{"a secret that is empty", "providers: {a: {type: acme, text: x, password: '${EMPTY}'}}", []string{
			"file:1: providers.a.password: is empty",
		}},
		{"a secret whose file is empty", "providers: {a: {type: acme, text: x, password: '${file:/dev/null}'}}", []string{
			"file:1: providers.a.password: is empty",
		}},
	} {
		tt.check(t, "A=1", "EMPTY=")
		for _, line := range tt.want {
			if strings.Contains(line, canary) { // check holds that there are no other lines
				t.Errorf("%s: the mistake is %q, want no secret in it", tt.name, line)
			}
		}
	}
}
