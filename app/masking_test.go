package app_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"patchbay/app/cli"
	"patchbay/config/setting"
)

const canary = `hunter2"canary/é`

// shown reports in which spellings the canary is in a text.
func shown(text string) (found []string) {
	for _, spelling := range []string{"hunter2", "HUNTER2", "canary", "%C3%A9"} {
		if strings.Contains(text, spelling) {
			found = append(found, spelling)
		}
	}
	return found
}

// references are the ways to write one to a secret.
func references(t *testing.T) (all map[string]string, environ []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mounted")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"a file": "${file:" + file + "}", "a variable that a secret is read from": "${ALSO}", "a variable whose name says so": "${DB_PASSWORD}",
		"a part of a longer text": "https://ada:${DB_PASSWORD}@127.0.0.1:1/${ALSO}?q=${file:" + file + "}",
		"a host":                  "${ALSO}:8080",
	}, []string{"ALSO=" + canary, "DB_PASSWORD=" + canary}
}

// Whatever setting a reference to a secret is written into, by mistake or because it
// belongs there, check does not print what it stands for.
func TestNoSettingShowsASecretThatIsReferredTo(t *testing.T) {
	t.Parallel()
	refs, environ := references(t)
	check := func(t *testing.T, file, path, value string) {
		t.Helper()
		var out bytes.Buffer
		cli.Main(t.Context(), []string{"check", "--config", file}, append(environ, variable(path)+"="+value), &out, &out)
		if found := shown(out.String()); found != nil || out.Len() == 0 {
			t.Errorf("%s = %s: output has %v, want none of it, and some output:\n%s", path, value, found, &out)
		}
	}
	dir := t.TempDir()
	write := func(name, text string) (file string) {
		file = filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, value := range refs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := write(strings.ReplaceAll(name, " ", "-"), "providers: {other: {type: mock, webhook_secrets: [\"${ALSO}\"]}}")
			for _, s := range general(t) {
				check(t, file, s.path, value)
			}
			for _, s := range policy() {
				check(t, file, "policies.default."+s.path, value)
			}
			for _, p := range types() {
				file := write(strings.ReplaceAll(name, " ", "-")+"-"+p.Name,
					fmt.Sprintf("providers: {other: {type: mock, webhook_secrets: [\"${ALSO}\"]}, one: {type: %s}}\n", p.Name))
				for _, s := range notSecret(p) {
					check(t, file, "providers.one."+s, value)
				}
			}
		})
	}
}

// notSecret are the settings of a type that are no secrets.
func notSecret(p setting.Type) (paths []string) {
	v := reflect.ValueOf(p.Settings()).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, t := f.Tag.Get("config"), f.Type
		switch {
		case name == "-" || t == reflect.TypeFor[setting.Secret]() || t == reflect.TypeFor[[]setting.Secret]():
		case t.Kind() == reflect.Struct:
			for j := range t.NumField() {
				paths = append(paths, name+"."+t.Field(j).Tag.Get("config"))
			}
		default:
			paths = append(paths, name)
		}
	}
	return paths
}

// What is right is shown but for the secret in it, and other variables are shown.
func TestCheckShowsAllButTheSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	code := cli.Main(t.Context(), []string{"check"}, []string{
		"PATCHBAY_SERVER__ADDRESS=127.0.0.1:${PORT}", "PORT=8087", "PATCHBAY_SERVER__ADMIN_ADDRESS=127.0.0.${ADMIN_TOKEN}:8081", "ADMIN_TOKEN=99",
	}, &out, &out)
	if code != 0 || !strings.Contains(out.String(), "127.0.0.1:8087, keys not required") || !strings.Contains(out.String(), "127.0.0.[secret]:8081") {
		t.Errorf("exit code = %d, want 0, both addresses, and the secret in one of them hidden:\n%s", code, &out)
	}
}
