package config_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

// An error quotes a value, a URL escapes it, a log escapes both: whatever comes out of it
// is hidden.
func TestMaskHidesEverySpelling(t *testing.T) {
	t.Parallel()
	const value = `p/a "s" é\n`
	c, err := load(t, "providers: {catcher: {path: \"data/${DB_PASSWORD}\"}}", "DB_PASSWORD="+value)
	if err != nil {
		t.Fatal(err)
	}
	var text, inJSON bytes.Buffer
	slog.New(slog.NewTextHandler(c.Mask.Writer(&text), nil)).Info("cannot open", "error", errors.New(value), "url", url.PathEscape(value))
	slog.New(slog.NewJSONHandler(c.Mask.Writer(&inJSON), nil)).Info("cannot open", "error", value, "query", url.QueryEscape(value))
	for name, got := range map[string]string{"text": text.String(), "JSON": inJSON.String(), "plain": c.Mask.Text("<" + value + ">")} {
		if !strings.Contains(got, "[secret]") || strings.Contains(got, `p/a`) || strings.Contains(got, "%22s%22") {
			t.Errorf("%s = %s, want [secret] in place of the value", name, got)
		}
	}
}

// What is used as a secret alone is not looked for in texts: it is of a type that is not
// printed, and would be found in words of the language, such as patchbay.
func TestMaskHidesOnlySecretsInSettingsOfOtherTypes(t *testing.T) {
	t.Parallel()
	c, err := load(t, "providers: {mock: {type: mock, webhook_secrets: [\"${HOOK_SECRET}\"]}, catcher: {path: \"${PLACE}\"}}", "HOOK_SECRET=patchbay", "PLACE=mail")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if got := c.Mask.Writer(&out); got != io.Writer(&out) {
		t.Errorf("Writer = %v, want the writer itself", got)
	}
	if got := c.Mask.Text("patchbay: mail"); got != "patchbay: mail" {
		t.Errorf("Text = %q, want it unchanged", got)
	}
}
