package setting_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"patchbay/config/setting"
)

func TestCheckSettingsAcceptsTheTypesThatCanBeDecoded(t *testing.T) {
	t.Parallel()
	type nested struct {
		Size setting.Size `config:"size"`
	}
	type settings struct {
		Key      setting.Secret   `config:"key"`
		Keys     []setting.Secret `config:"keys"`
		BaseURL  setting.BaseURL  `config:"base_url"`
		Name     string           `config:"name"`
		On       bool             `config:"on"`
		Number   int              `config:"number"`
		Timeout  time.Duration    `config:"timeout"`
		Age      setting.Age      `config:"age"`
		Networks []netip.Prefix   `config:"networks"`
		Nested   nested           `config:"nested"`
		Other    map[string]bool  `config:"-"`
		kept     float64          `config:"-"`
	}
	if err := setting.CheckSettings(&settings{kept: 1}); err != nil {
		t.Errorf("CheckSettings = %v, want no error", err)
	}
}

// firstMistake has the method that Checks had before it returned all mistakes.
type firstMistake struct {
	F string `config:"f"`
}

func (*firstMistake) Check() (path, text string) { return "f", "is required" }

// Otherwise it would never be called.
func TestCheckSettingsRefusesACheckOfAnotherForm(t *testing.T) {
	t.Parallel()
	if err := setting.CheckSettings(&firstMistake{}); err == nil || !strings.Contains(err.Error(), "the method Check of *setting_test.firstMistake must be a func() setting.Mistakes") {
		t.Errorf("CheckSettings = %v, want the method Check to be named", err)
	}
}

func TestCheckSettingsNamesTheFieldThatCannotBeASetting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings any
		want     string // a part of the error
	}{
		"a float": {&struct {
			F float64 `config:"f"`
		}{}, "has the type float64"},
		"a map of maps": {&struct {
			F map[string]map[string]string `config:"f"`
		}{}, "has the type map[string]map[string]string"},
		"a pointer": {&struct {
			F *string `config:"f"`
		}{}, "has the type *string"},
		"an interface": {&struct {
			F any `config:"f"`
		}{}, "has the type interface {}"},
		"a list of structs": {&struct {
			F []struct{} `config:"f"`
		}{}, "has the type []struct {}"},
		"a field of a nested struct": {&struct {
			Nested struct {
				F uint `config:"f"`
			} `config:"nested"`
		}{}, "has the type uint"},
		"a field without a tag": {&struct{ F string }{}, "must be exported and have a tag"},
		"an unexported field": {&struct {
			f string `config:"f"`
		}{f: ""}, "must be exported"},
		"the key of the type": {&struct {
			F string `config:"type"`
		}{}, "has the key type, which is taken"},
		"one key twice": {&struct {
			E string `config:"f"`
			F string `config:"f"`
		}{}, "has the key f, which is taken"},
	} {
		err := setting.CheckSettings(c.settings)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "the field ") {
			t.Errorf("%s: CheckSettings = %v, want the field, and %q", name, err, c.want)
		}
	}
}
