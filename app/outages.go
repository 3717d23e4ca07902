package app

import (
	"context"
	"log/slog"

	"patchbay/adapters/resilience"
	"patchbay/config"
	"patchbay/core/logging"
)

// role describes for the log what a provider is used for, and the effect of its failure.
type role struct{ of, effect string }

// The roles of stores.
var (
	databaseAlone = role{"database", "requests are refused"}
	database      = role{"database", "webhooks and mail are kept on this machine; payments and changes of users are refused"}
	standby       = role{"standby", "its copy of the users falls behind, and cannot be read should the database be gone"}
	spoolFile     = role{"spool", "webhooks and mail are refused while the database is gone"}
)

// rolePayments returns the role of one of several payment providers; last means that it
// is the last in order.
func rolePayments(last bool) role {
	if last {
		return role{"payments", "payments are refused, or stay processing until it is back"}
	}
	return role{"payments", "payments go to the next provider where it has done nothing; others stay processing until it is back"}
}

// roleMail returns the role of one of several mail providers; last means that it is the
// last in order.
func roleMail(last bool) role {
	if last {
		return role{"mail", "mail waits, and is tried again"}
	}
	return role{"mail", "mail goes to the next provider"}
}

// roleStore returns the role of the store in use.
func roleStore(c *config.Config) role {
	if c.Spool() == "" {
		return databaseAlone
	}
	return database
}

// observer logs the decisions of a resilience policy.
type observer struct {
	outage *logging.Outage
	log    *slog.Logger
	// busy reports calls that our own limits refuse.
	busy *logging.Repeated
}

func newObserver(provider string, as role, s environment) observer {
	return observer{outage: s.outages.Of(as.of, provider, as.effect), log: s.log, busy: &logging.Repeated{
		Log: s.log, Level: slog.LevelWarn, Text: "provider is asked for more than its policy allows",
	}}
}

func (o observer) observe(e resilience.Event) {
	switch e.Decision {
	case resilience.Tried:
		switch {
		case !e.Failed:
			o.outage.Worked(e.Op)
		case e.Counts:
			o.outage.Failed(e.Op, e.Err)
		}
	case resilience.Skipped:
		o.outage.Passed()
	case resilience.Opened:
		o.outage.Down(e.Err)
	case resilience.Closed:
		o.outage.Up()
	case resilience.Probing:
		o.log.Debug("provider is probed", "provider", e.Provider)
	case resilience.Overloaded, resilience.Spared:
		o.busy.Note(context.Background(), string(e.Decision),
			slog.String("provider", e.Provider), slog.String("op", e.Op), slog.String("decision", string(e.Decision)))
	case resilience.Refusing:
		o.log.Error("provider refuses one request after the other: look whether the account may do what is asked of it",
			"provider", e.Provider, "op", e.Op, "error", e.Err)
	case resilience.Retried: // counted by the metrics only
	}
}
