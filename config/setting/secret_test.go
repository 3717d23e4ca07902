package setting_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"patchbay/adapters/payments/mockpay"
	"patchbay/config"
	"patchbay/config/setting"
)

// canary is what must be seen nowhere.
const canary = "whsec_canary"

// holders are the places in which a secret gets into a log by accident. What
// fmt does differs between them: it calls no method of an unexported field.
func holders() map[string]any {
	s := setting.NewSecret(canary)
	type exported struct{ Secret setting.Secret }
	type unexported struct{ secret setting.Secret }
	return map[string]any{
		"itself":              s,
		"a pointer":           &s,
		"an exported field":   exported{s},
		"an unexported field": unexported{s},
		"a pointer to one":    &unexported{s},
		"a list":              []setting.Secret{s},
		"a list in a field":   struct{ list []setting.Secret }{[]setting.Secret{s}},
		"a value of a map":    map[string]setting.Secret{"a": s},
		"a key of a map":      map[setting.Secret]int{s: 1},
		"an error's argument": fmt.Errorf("refused: %v", s),
		"settings":            &mockpay.Settings{WebhookSecrets: []setting.Secret{s}},
		"a configuration": config.Config{Provider: map[string]config.Provider{
			"mock": {Settings: mockpay.Settings{WebhookSecrets: []setting.Secret{s}}},
		}},
	}
}

func TestNoFormatterPrintsASecret(t *testing.T) {
	t.Parallel()
	printers := map[string]func(any) string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%8.3v"} {
		printers[verb] = func(v any) string { return fmt.Sprintf(verb, v) }
	}
	printers["Sprint"] = func(v any) string { return fmt.Sprint(v) }
	// An encoder may refuse one of the holders; all that counts is what it wrote.
	printers["JSON"] = func(v any) string {
		out, err := json.Marshal(v)
		return fmt.Sprint(string(out), err)
	}
	printers["XML"] = func(v any) string {
		out, err := xml.Marshal(v)
		return fmt.Sprint(string(out), err)
	}
	printers["YAML"] = func(v any) (text string) {
		defer func() {
			if refused := recover(); refused != nil { // its way with a function, which setting.Type has
				text = fmt.Sprint(refused)
			}
		}()
		out, err := yaml.Marshal(v)
		return fmt.Sprint(string(out), err)
	}
	printers["slog text"] = func(v any) string {
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("a message", "value", v, slog.Group("group", "value", v))
		return out.String()
	}
	printers["slog JSON"] = func(v any) string {
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("a message", "value", v, slog.Group("group", "value", v))
		return out.String()
	}
	hexed := fmt.Sprintf("%x", canary)
	for printer, write := range printers {
		for holder, value := range holders() {
			out := write(value)
			if strings.Contains(out, canary) || strings.Contains(strings.ToLower(out), hexed) {
				t.Errorf("%s prints %s as %s, want no secret in it", printer, holder, out)
			}
		}
	}
}

func TestASecretIsPrintedAsHidden(t *testing.T) {
	t.Parallel()
	s := setting.NewSecret(canary)
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"String": s.String(), "GoString": s.GoString(), "MarshalText": string(text), "LogValue": s.LogValue().String(),
	} {
		if got != "[secret]" {
			t.Errorf("%s = %q, want %q", name, got, "[secret]")
		}
	}
}

func TestRevealReturnsTheValue(t *testing.T) {
	t.Parallel()
	if got := setting.NewSecret(canary).Reveal(); got != canary {
		t.Errorf("Reveal = %q, want %q", got, canary)
	}
	if got := (setting.Secret{}).Reveal(); got != "" {
		t.Errorf("Reveal of the zero Secret = %q, want nothing", got)
	}
}
