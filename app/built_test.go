package app_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/adapters/provider"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/app"
	"patchbay/config/setting"
	"patchbay/ports"
)

// hollow are types whose New returns nothing, and no error.
func hollow() []setting.Described {
	of := func(name string) setting.Type {
		return setting.Type{Name: name, Settings: func() any { return new(struct{}) }}
	}
	return []setting.Described{
		provider.Payment{Type: of("pay"), New: func(provider.Environment) (ports.PaymentGateway, error) { return nil, nil }},
		provider.Mail{Type: of("post"), New: func(provider.Environment) (ports.Mailer, error) { return nil, nil }},
		provider.Storage{Type: setting.Type{Name: "store", Settings: func() any { return new(sqlitestore.Settings) }}, New: func(context.Context, provider.Environment) (provider.Store, error) { return provider.Store{}, nil }},
	}
}

func TestAProviderThatIsNotBuiltIsAnErrorOfTheStart(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"payments: {providers: [hollow], allow_mixed: true}\nproviders: {hollow: {type: pay}}":   `payment provider "hollow"`,
		"mail: {providers: [hollow], allow_mixed: true}\nproviders: {hollow: {type: post}}":      `mail provider "hollow"`,
		"storage: {provider: hollow}\nproviders: {hollow: {type: store, path: DIR/patchbay.db}}": `storage "hollow"`,
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "patchbay.yaml")
		text := "server: {address: \"127.0.0.1:0\", admin_address: \"127.0.0.1:0\"}\n" + strings.ReplaceAll(list, "DIR", dir)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		environ := []string{
			"PATCHBAY_PROVIDERS__LOCAL__PATH=" + filepath.Join(dir, "patchbay.db"),
			"PATCHBAY_PROVIDERS__CATCHER__PATH=" + filepath.Join(dir, "mail"),
		}
		c, err := app.Load(file, environ, hollow()...)
		if err != nil {
			t.Fatal(err)
		}
		err = app.Run(t.Context(), c, io.Discard)
		if got := fmt.Sprint(err); !strings.Contains(got, want) || !strings.Contains(got, "returned neither") {
			t.Errorf("Run = %v, want %s and \"returned neither\"", err, want)
		}
	}
}
