package sqlitestore

import (
	"context"
	"strings"

	"patchbay/adapters/provider"
	"patchbay/config/setting"
)

// Provider registers the type sqlite.
var Provider = provider.Storage{
	Type: setting.Type{Name: "sqlite", Settings: func() any { return &Settings{Path: "data/patchbay.db"} }},
	New: func(ctx context.Context, e provider.Environment) (provider.Store, error) {
		s, err := Open(ctx, Options{Path: e.Settings.(*Settings).Path, Existing: e.Existing, Clock: e.Clock, IDs: e.IDs})
		if err != nil {
			return provider.Store{}, err
		}
		return provider.Store{Journal: s, Users: s.Users(), Archive: s, Snapshots: s, Aged: s, Closer: s}, nil
	},
}

// Settings are those of a store in one file.
type Settings struct {
	Path string `config:"path"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	all.Require(s.Path != "" && !strings.HasPrefix(s.Path, ":"), "path", "must name a file, such as data/patchbay.db")
	return all
}

// Place implements setting.Placed.
func (s *Settings) Place() string { return s.Path }
