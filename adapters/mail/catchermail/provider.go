package catchermail

import (
	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/ports"
)

// Provider registers the type catcher.
var Provider = provider.Mail{
	Type: setting.Type{Name: "catcher", Simulated: true, Settings: func() any { return &Settings{Path: "data/mail", Keep: 1000} }},
	New: func(e provider.Environment) (ports.Mailer, error) {
		s := e.Settings.(*Settings)
		return New(Options{Name: e.Name, Path: s.Path, Keep: s.Keep})
	},
}

// Settings are those of a catcher.
type Settings struct {
	Path string `config:"path"` // the directory
	Keep int    `config:"keep"` // number of newest messages kept
}

// Check implements setting.Checks.
func (s *Settings) Check() (path, text string) {
	switch {
	case s.Path == "":
		return "path", "must name a directory, such as data/mail"
	case s.Keep < 1:
		return "keep", "must be at least 1"
	}
	return "", ""
}

// Place implements setting.Placed.
func (s *Settings) Place() string { return s.Path }
