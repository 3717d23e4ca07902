package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/mail/mailgunmail"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/storage/mongostore"
	"patchbay/adapters/storage/pgstore"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/config"
	"patchbay/ports"
)

// Storage is what a storage provider supplies.
type Storage struct {
	Journal   ports.Journal
	Users     ports.UserRepository
	Archive   ports.Archive
	Snapshots ports.Snapshots // nil if the store has none
	aged      aged            // nil if the store cannot tell its own age
	io.Closer
}

// entry is one type of provider. Exactly one of the factories is set, according to Sort.
type entry struct {
	config.Type
	storage func(ctx context.Context, p config.Provider, s environment) (Storage, error)
	payment func(p config.Provider, s environment) (ports.PaymentGateway, error)
	mail    func(p config.Provider) (ports.Mailer, error)
}

// catalog lists every type of provider. A new adapter is a new entry.
var catalog = []entry{
	{
		Type: config.Type{Name: "sqlite", Sort: config.ForStorage, Settings: func() any {
			return &config.SQLite{Path: "data/patchbay.db"}
		}},
		storage: func(ctx context.Context, p config.Provider, s environment) (Storage, error) {
			store, err := sqlitestore.Open(ctx, sqlitestore.Options{
				Path: p.Settings.(*config.SQLite).Path, Existing: s.existing, Clock: s.clock, IDs: s.ids,
			})
			if err != nil {
				return Storage{}, err
			}
			return Storage{Journal: store.Journal(), Users: store.Users(), Archive: store.Archive(), Snapshots: store, aged: store, Closer: store}, nil
		},
	},
	{
		Type: config.Type{Name: "postgres", Sort: config.ForStorage, Server: true, Dump: "pg_dump", Settings: func() any { return config.StandardDatabase("postgres", 5432) }},
		storage: func(ctx context.Context, p config.Provider, s environment) (Storage, error) {
			d := p.Settings.(*config.Database)
			secure, err := d.TLS()
			if err != nil {
				return Storage{}, err
			}
			store, err := pgstore.Open(ctx, pgstore.Options{
				Host: d.Host, Port: uint16(d.Port), Database: d.Database, Username: d.Username, Password: d.Password.Reveal(),
				TLS: secure, Min: int32(d.Pool.Min), Max: int32(d.Pool.Max), Idle: time.Duration(d.Pool.Idle), Existing: s.existing, Clock: s.clock, IDs: s.ids,
			})
			if err != nil {
				return Storage{}, err
			}
			return Storage{Journal: store.Journal(), Users: store.Users(), Archive: store.Archive(), Closer: store}, nil
		},
	},
	{
		Type: config.Type{Name: "mongo", Sort: config.ForStorage, Server: true, Dump: "mongodump", Settings: func() any { return config.StandardDatabase("mongodb", 27017) }},
		storage: func(ctx context.Context, p config.Provider, s environment) (Storage, error) {
			d := p.Settings.(*config.Database)
			secure, err := d.TLS()
			if err != nil {
				return Storage{}, err
			}
			store, err := mongostore.Open(ctx, mongostore.Options{
				Host: d.Host, Port: d.Port, Database: d.Database, Username: d.Username, Password: d.Password.Reveal(),
				TLS: secure, Min: uint64(d.Pool.Min), Max: uint64(d.Pool.Max), Idle: time.Duration(d.Pool.Idle), Existing: s.existing, Clock: s.clock, IDs: s.ids,
			})
			if err != nil {
				return Storage{}, err
			}
			return Storage{Journal: store.Journal(), Users: store.Users(), Archive: store.Archive(), Closer: store}, nil
		},
	},
	{
		Type: config.Type{Name: "mock", Sort: config.ForPayments, Simulated: true, Settings: func() any {
			return &config.Mock{}
		}},
		payment: func(p config.Provider, s environment) (ports.PaymentGateway, error) {
			settings := p.Settings.(*config.Mock)
			return mockpay.New(mockpay.Options{
				Name: p.Name, Journal: s.journal, Clock: s.clock, IDs: s.ids, Log: s.log, Fault: settings.Fault,
				Approval: s.approval, Endpoint: s.endpoint, WebhookSecret: s.webhookSecrets(p)[0], Wake: s.wake,
			})
		},
	},
	{
		Type: config.Type{Name: "stripe", Sort: config.ForPayments, Settings: func() any {
			return &config.Stripe{BaseURL: stripepay.DefaultBaseURL}
		}},
		payment: func(p config.Provider, _ environment) (ports.PaymentGateway, error) {
			settings := p.Settings.(*config.Stripe)
			return stripepay.New(stripepay.Options{
				Name: p.Name, SecretKey: settings.SecretKey.Reveal(), PublishableKey: settings.PublishableKey,
				Account: settings.Account, HTTP: outbound(p, settings.BaseURL),
			})
		},
	},
	{
		Type: config.Type{Name: "catcher", Sort: config.ForMail, Simulated: true, Settings: func() any {
			return &config.Catcher{Path: "data/mail", Keep: 1000}
		}},
		mail: func(p config.Provider) (ports.Mailer, error) {
			settings := p.Settings.(*config.Catcher)
			return catchermail.New(catchermail.Options{Name: p.Name, Path: settings.Path, Keep: settings.Keep})
		},
	},
	{
		Type: config.Type{Name: "sendgrid", Sort: config.ForMail, Settings: func() any {
			return &config.SendGrid{BaseURL: sendgridmail.DefaultBaseURL}
		}},
		mail: func(p config.Provider) (ports.Mailer, error) {
			settings := p.Settings.(*config.SendGrid)
			return sendgridmail.New(sendgridmail.Options{
				Name: p.Name, APIKey: settings.APIKey.Reveal(), HTTP: outbound(p, settings.BaseURL),
			})
		},
	},
	{
		Type: config.Type{Name: "mailgun", Sort: config.ForMail, Settings: func() any {
			return &config.Mailgun{BaseURL: mailgunmail.DefaultBaseURL}
		}},
		mail: func(p config.Provider) (ports.Mailer, error) {
			settings := p.Settings.(*config.Mailgun)
			return mailgunmail.New(mailgunmail.Options{
				Name: p.Name, Domain: settings.Domain, APIKey: settings.APIKey.Reveal(), HTTP: outbound(p, settings.BaseURL),
			})
		},
	},
}

// Types returns the provider types for the configuration.
func Types() []config.Type {
	types := make([]config.Type, len(catalog))
	for i, e := range catalog {
		types[i] = e.Type
	}
	return types
}

// find returns the entry of a provider's type. The configuration has already validated the
// type.
func find(p config.Provider) (entry, error) {
	for _, e := range catalog {
		if e.Name == p.Type.Name {
			return e, nil
		}
	}
	names := make([]string, len(catalog))
	for i, e := range catalog {
		names[i] = e.Name
	}
	return entry{}, fmt.Errorf("there is no type of provider called %q; there is %s", p.Type.Name, strings.Join(names, ", "))
}
