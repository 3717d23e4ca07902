package app_test

import (
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/resendsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/sessim"
	"patchbay/app"
	"patchbay/config"
	"patchbay/config/setting"
	"patchbay/core/apikeys"
	"patchbay/core/money"
)

// entry is a key that the decoder knows, and its value where nothing is
// written.
type entry struct {
	path, standard string
}

// known lists the settings in a struct as the decoder sees them: by their tags.
func known(prefix string, v reflect.Value) (all []entry) {
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Tag.Get("config")
		switch path := prefix + name; {
		case name == "-":
		case field.Kind() == reflect.Struct && field.Type() != reflect.TypeFor[setting.Secret]():
			all = append(all, known(path+".", field)...)
		default:
			all = append(all, entry{path, standard(field)})
		}
	}
	return all
}

// standard is a default as the pages write it, empty where they say it in words.
func standard(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Bool:
	case v.IsZero() || v.Type() == reflect.TypeFor[setting.Secret]():
		return ""
	case v.Type() == reflect.TypeFor[time.Duration](), v.Type() == reflect.TypeFor[setting.Idle]():
		return time.Duration(v.Int()).String()
	case v.Kind() == reflect.Slice:
		return strings.ReplaceAll(fmt.Sprint(v.Interface()), " ", ", ")
	}
	return fmt.Sprint(v.Interface())
}

// types are the descriptions of all types of providers.
func types() (all []setting.Type) {
	for _, t := range app.Types() {
		all = append(all, t.Description())
	}
	return all
}

// general are the settings outside of providers.
func general(t *testing.T) []entry {
	t.Helper()
	c, err := app.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	return known("", reflect.ValueOf(c).Elem())
}

func ofType(p setting.Type) []entry { return known("", reflect.ValueOf(p.Settings()).Elem()) }

func policy() []entry { return known("", reflect.ValueOf(config.StandardPolicy())) }

func variable(path string) string {
	return "PATCHBAY_" + strings.ToUpper(strings.ReplaceAll(path, ".", "__"))
}

func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const manual = "../docs/configuration.md"

// chapter is what stands under a heading, up to the next.
func chapter(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no %q", manual, heading)
	}
	if end := regexp.MustCompile(`(?m)^##`).FindStringIndex(rest); end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]*) \\| `([^`]+)` \\| [^|]+ \\|$")

// compare holds a table against what the decoder knows, both ways.
func compare(t *testing.T, table, prefix string, want []entry) {
	t.Helper()
	type cells struct{ standard, variable string }
	rows := map[string]cells{}
	for _, r := range row.FindAllStringSubmatch(table, -1) {
		rows[r[1]] = cells{r[2], r[3]}
	}
	for _, s := range want {
		got, there := rows[s.path]
		delete(rows, s.path)
		switch {
		case !there:
			t.Errorf("%s has no row for %s%s", manual, prefix, s.path)
		case got.variable != variable(prefix+s.path):
			t.Errorf("%s%s: the variable is %s, not %s", prefix, s.path, variable(prefix+s.path), got.variable)
		case s.standard != "" && got.standard != "`"+s.standard+"`":
			t.Errorf("%s%s: the default is %s, not %s", prefix, s.path, s.standard, got.standard)
		case s.standard == "" && strings.Contains(got.standard, "`"):
			t.Errorf("%s%s: there is no default such as %s", prefix, s.path, got.standard)
		}
	}
	for path := range rows {
		t.Errorf("%s has a row for %s%s, which is not a setting", manual, prefix, path)
	}
}

var update = flag.Bool("update", false, "write what the documentation has from the folders of the adapters")

// replaced returns a text with what stands between two lines replaced.
func replaced(t *testing.T, text, from, to, by string) string {
	t.Helper()
	before, rest, begins := strings.Cut(text, from)
	_, after, ends := strings.Cut(rest, to)
	if !begins || !ends {
		t.Fatalf("nothing stands between %q and %q", from, to)
	}
	return before + from + by + to + after
}

// The reference of a type of provider, with an example, stands in the folder of its adapter,
// in a file that bears the name of the type.
func TestThePagesShowWhatTheFoldersOfTheAdaptersHave(t *testing.T) {
	t.Parallel()
	c, err := app.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	var reference, shown strings.Builder
	for _, e := range app.Types() {
		name := e.Description().Name
		text := page(t, filepath.Join(folder(e), name+".md"))
		fmt.Fprintf(&reference, "### `%s`\n\n%s\n", name, text)
		_, block, _ := strings.Cut(text, "```yaml\n")
		block, _, found := strings.Cut(block, "```\n")
		if !found {
			t.Fatalf("%s has no example in YAML", name)
		}
		key, _, _ := strings.Cut(block, ":")
		for line := range strings.Lines(block) {
			if _, builtin := c.Provider[key]; !builtin { // it is shown, but not there
				indent := len(line) - len(strings.TrimLeft(line, " "))
				line = line[:indent] + "# " + line[indent:]
			}
			shown.WriteString("  " + line)
		}
	}
	for path, want := range map[string]string{
		manual:  replaced(t, page(t, manual), "by make generate. -->\n\n", "## Policies\n", reference.String()),
		example: replaced(t, page(t, example), "\nproviders:\n", "\n# How long to wait", shown.String()),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if page(t, path) != want {
			t.Errorf("%s does not show what the folders of the adapters have: run make generate", path)
		}
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	t.Parallel()
	text := page(t, manual)
	compare(t, chapter(t, text, "## Settings"), "", general(t))
	compare(t, chapter(t, text, "## Policies"), "policies.default.", policy())
	for _, p := range types() {
		compare(t, chapter(t, text, "### `"+p.Name+"`"), "providers.name.", ofType(p))
	}
}

func TestEveryCurrencyIsDocumentedWithItsDecimals(t *testing.T) {
	t.Parallel()
	text := chapter(t, page(t, manual), "### Currencies")
	for _, c := range money.All() {
		heading := map[string]string{"10.00": "With two decimals", "1000": "Without decimals", "1.000": "With three decimals"}[amountOf(c)]
		_, list, _ := strings.Cut(text, heading)
		list, _, _ = strings.Cut(list, ".\n")
		if !strings.Contains(list, "`"+string(c)+"`") {
			t.Errorf("%s does not have %s where it says %q", manual, c, heading)
		}
	}
	listed, _, _ := strings.Cut(text, "Stripe counts some of them")
	if n := len(regexp.MustCompile("`[a-z]{3}`").FindAllString(listed, -1)); n != len(money.All()) {
		t.Errorf("%s lists %d currencies, want %d", manual, n, len(money.All()))
	}
}

// amountOf writes a thousand minor units without the code.
func amountOf(c money.Currency) string {
	number, _, _ := strings.Cut(money.Format(1000, c), " ")
	return number
}

func TestEveryFaultAndScopeIsDocumented(t *testing.T) {
	t.Parallel()
	text := page(t, manual)
	refusal := (&mockpay.Settings{Fault: "none"}).Check().String()
	faults := strings.Split(strings.TrimPrefix(refusal, "fault: is not one of "), ", ")
	if len(faults) < 2 {
		t.Fatalf("refusal = %q, want the list of faults in it", refusal)
	}
	table := chapter(t, text, "### Faults")
	for _, fault := range faults {
		if !strings.Contains(table, "\n| `"+fault+"` |") {
			t.Errorf("%s does not explain the fault %s, want a row for it", manual, fault)
		}
	}
	simulated := chapter(t, text, "### Simulated providers")
	for _, sim := range []faultserver.ByName{new(sendgridsim.Sim), new(mailgunsim.Sim), new(resendsim.Sim), new(sessim.Sim)} {
		for fault := range sim.FaultsByName() {
			if !strings.Contains(simulated, "`"+fault+"`") {
				t.Errorf("%s does not explain the fault %s of %T, want all faults", manual, fault, sim)
			}
		}
	}
	for _, scope := range apikeys.Scopes {
		if !strings.Contains(chapter(t, text, "## API keys"), "`"+scope+"`") {
			t.Errorf("%s does not name the scope %s, want all scopes", manual, scope)
		}
	}
}

const example = "../docs/patchbay.example.yaml"

// Whoever copies the example gets what they would have without it.
func TestTheExampleConfigurationEqualsTheDefaults(t *testing.T) {
	t.Parallel()
	nothing, err := app.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := app.Load(example, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range c.Provider {
		standard := nothing.Provider[name]
		if !reflect.DeepEqual(p.Settings, standard.Settings) || p.Policy != standard.Policy {
			t.Errorf("provider %s = %+v with %+v, want the defaults %+v with %+v", name, p.Settings, p.Policy, standard.Settings, standard.Policy)
		}
	}
	if len(c.Provider) != len(nothing.Provider) {
		t.Errorf("providers = %+v, want those of the defaults", c.Provider)
	}
	c.Provider, nothing.Provider = nil, nil // their types hold functions, which are never equal
	c.Stores, nothing.Stores = nil, nil
	c.Types, nothing.Types = nil, nil
	if !reflect.DeepEqual(c, nothing) {
		t.Errorf("configuration = %+v, want the defaults %+v", c, nothing)
	}
}

// publicKey is one as SendGrid shows it: that of its library's tests.
const publicKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="

// The README's configuration of real providers is one that the gateway takes.
func TestTheReadmesConfigurationIsAccepted(t *testing.T) {
	t.Parallel()
	text := chapter(t, page(t, "../README.md"), "## Real providers")
	_, block, _ := strings.Cut(text, "```yaml\n")
	block, _, found := strings.Cut(block, "```")
	file := filepath.Join(t.TempDir(), "patchbay.yaml")
	if err := os.WriteFile(file, []byte(block), 0o600); err != nil || !found {
		t.Fatal(err, found)
	}
	var environ []string
	for i, name := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(block, -1) {
		if name[1] == "SENDGRID_WEBHOOK_KEY" {
			environ = append(environ, "SENDGRID_WEBHOOK_KEY="+publicKey)
			continue
		}
		if name[1] == "SES_TOPIC" {
			environ = append(environ, "SES_TOPIC=arn:aws:sns:eu-west-1:123456789012:ses-events")
			continue
		}
		if name[1] == "RESEND_WEBHOOK_SECRET" {
			environ = append(environ, "RESEND_WEBHOOK_SECRET=whsec_dGVzdA==")
			continue
		}
		value := fmt.Sprintf("secret_%d", i)
		if strings.HasPrefix(name[1], "STRIPE_") && strings.Contains(name[1], "KEY") {
			value = fmt.Sprintf("sk_test_%d", i)
		}
		environ = append(environ, name[1]+"="+value)
	}
	c, err := app.Load(file, environ)
	if err != nil || len(c.Payments.Providers) != 2 || len(c.Mail.Providers) != 4 {
		t.Errorf("error = %v, configuration = %+v, want two payment and four mail providers", err, c)
	}
}

// What the example has behind a # must be right too.
func TestTheExampleHasEverySetting(t *testing.T) {
	t.Parallel()
	text := page(t, example)
	shown := regexp.MustCompile(`(?m)^( +)# (\w+:)`).ReplaceAllString(text, "$1$2")
	dir := t.TempDir()
	file := filepath.Join(dir, "shown.yaml")
	certificate, key := pair(t)
	for path, content := range map[string]string{
		file: strings.ReplaceAll(shown, "/run/secrets", dir), filepath.Join(dir, "old_mock_webhook"): "whsec_old",
		filepath.Join(dir, "ca.pem"): certificate, filepath.Join(dir, "patchbay.pem"): certificate, filepath.Join(dir, "patchbay.key"): key,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := []string{
		"MOCK_WEBHOOK_SECRET=whsec_new", "STRIPE_SECRET_KEY=sk_live_1", "STRIPE_WEBHOOK_SECRET=whsec_stripe",
		"SENDGRID_API_KEY=SG.test", "SENDGRID_WEBHOOK_KEY=" + publicKey, "MAILGUN_API_KEY=key-test", "MAILGUN_SIGNING_KEY=key-hook", "RESEND_API_KEY=re_test", "RESEND_WEBHOOK_SECRET=whsec_dGVzdA==", "SES_ACCESS_KEY_ID=AKIATEST", "SES_SECRET_ACCESS_KEY=test", "SES_SESSION_TOKEN=test", "SMTP_PASSWORD=test", "DB_PASSWORD=test", "MONGO_URL=mongodb://ada:test@db/shop",
	}
	if _, err := app.Load(file, environ); err != nil {
		t.Error(err)
	}
	all := append(general(t), policy()...)
	for _, p := range types() {
		all = append(all, ofType(p)...)
	}
	for _, s := range all {
		key := s.path[strings.LastIndexByte(s.path, '.')+1:]
		if !regexp.MustCompile(`(?m)^ +(\S.*[{,] ?)?` + key + `: \S`).MatchString(shown) {
			t.Errorf("%s does not show %s, want every setting", example, s.path)
		}
	}
}

// pair is a certificate and its key, in PEM.
func pair(t *testing.T) (certificate, key string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	raw, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", s.TLS.Certificates[0].Certificate[0]), encode("PRIVATE KEY", raw)
}
