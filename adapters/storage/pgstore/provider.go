package pgstore

import (
	"context"

	"patchbay/adapters/provider"
	"patchbay/config/setting"
)

// Provider registers the type postgres.
var Provider = provider.Storage{
	Type: setting.Type{Name: "postgres", Server: true, Dump: "pg_dump", Settings: func() any { return setting.StandardDatabase("postgres", 5432) }},
	New: func(ctx context.Context, e provider.Environment) (provider.Store, error) {
		s, err := Open(ctx, e)
		if err != nil {
			return provider.Store{}, err
		}
		return provider.Store{Journal: s, Users: s.Users(), Archive: s, Closer: s}, nil
	},
}
