package mongostore

import (
	"context"
	"time"

	"patchbay/adapters/provider"
	"patchbay/config/setting"
)

// Provider registers the type mongo.
var Provider = provider.Storage{
	Type: setting.Type{Name: "mongo", Server: true, Dump: "mongodump", Settings: func() any { return setting.StandardDatabase("mongodb", 27017) }},
	New: func(ctx context.Context, e provider.Environment) (provider.Store, error) {
		d := e.Settings.(*setting.Database)
		secure, err := d.TLS()
		if err != nil {
			return provider.Store{}, err
		}
		s, err := Open(ctx, Options{
			Host: d.Host, Port: d.Port, Database: d.Database, Username: d.Username, Password: d.Password.Reveal(),
			TLS: secure, Min: uint64(d.Pool.Min), Max: uint64(d.Pool.Max), Idle: time.Duration(d.Pool.Idle), Existing: e.Existing, Clock: e.Clock, IDs: e.IDs,
		})
		if err != nil {
			return provider.Store{}, err
		}
		return provider.Store{Journal: s, Users: s.Users(), Archive: s, Closer: s}, nil
	},
}
