package mongostore

import (
	"context"

	"patchbay/adapters/provider"
	"patchbay/config/setting"
)

// Provider registers the type mongo.
var Provider = provider.Storage{
	Type: setting.Type{Name: "mongo", Server: true, Dump: "mongodump", Settings: func() any { return setting.StandardDatabase("mongodb", 27017) }},
	New: func(ctx context.Context, e provider.Environment) (provider.Store, error) {
		s, err := Open(ctx, e)
		if err != nil {
			return provider.Store{}, err
		}
		return provider.Store{Journal: s, Users: s.Users(), Archive: s, Closer: s}, nil
	},
}
