package app

import (
	"context"
	"log/slog"

	"patchbay/adapters/failover"
	"patchbay/config"
	"patchbay/core/logging"
)

// role is what a provider is for, and what its failing means: for the log.
type role struct{ of, effect string }

// The roles of stores.
var (
	databaseAlone = role{"database", "requests are refused"}
	database      = role{"database", "webhooks and mail are kept on this machine; payments and changes of users are refused"}
	standby       = role{"standby", "its copy of the users falls behind, and cannot be read should the database be gone"}
	spoolFile     = role{"spool", "webhooks and mail are refused while the database is gone"}
)

// rolePayments is that of one of several payment providers.
func rolePayments(last bool) role {
	if last {
		return role{"payments", "payments are refused, or stay processing until it is back"}
	}
	return role{"payments", "payments go to the next provider where it has done nothing; others stay processing until it is back"}
}

// roleMail is that of one of several mail providers.
func roleMail(last bool) role {
	if last {
		return role{"mail", "mail waits, and is tried again"}
	}
	return role{"mail", "mail goes to the next provider"}
}

// roleStore is that of the store in use.
func roleStore(c *config.Config) role {
	if c.Spool() == "" {
		return databaseAlone
	}
	return database
}

func (r role) outage(provider string, s surroundings) *logging.Outage {
	return s.outages.Of(r.of, provider, r.effect)
}

// observer has the log tell of what a policy decides.
type observer struct {
	outage *logging.Outage
	log    *slog.Logger
	// busy are calls that our own limits have refused.
	busy *logging.Repeated
}

func newObserver(provider string, as role, s surroundings) observer {
	return observer{outage: as.outage(provider, s), log: s.log, busy: &logging.Repeated{
		Log: s.log, Level: slog.LevelWarn, Text: "provider is asked for more than its policy allows",
	}}
}

func (o observer) observe(e failover.Event) {
	switch e.Decision {
	case failover.Tried:
		switch {
		case !e.Failed:
			o.outage.Worked(e.Op)
		case e.Counts:
			o.outage.Failed(e.Op, e.Err)
		}
	case failover.Skipped:
		o.outage.Passed()
	case failover.Opened:
		o.outage.Down(e.Err)
	case failover.Closed:
		o.outage.Up()
	case failover.Probing:
		o.log.Debug("provider is probed", "provider", e.Provider)
	case failover.Overloaded, failover.Spared:
		o.busy.Note(context.Background(), string(e.Decision),
			slog.String("provider", e.Provider), slog.String("op", e.Op), slog.String("decision", string(e.Decision)))
	case failover.Refusing:
		o.log.Error("provider refuses one request after the other: look whether the account may do what is asked of it",
			"provider", e.Provider, "op", e.Op, "error", e.Err)
	case failover.Retried: // for metrics
	}
}
