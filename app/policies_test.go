package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"patchbay/adapters/failover"
	"patchbay/config"
	"patchbay/core/fault"
)

// The default stands in the configuration, which is read without adapters, and
// with the adapter, which works without a configuration.
func TestThereIsOneDefaultPolicy(t *testing.T) {
	t.Parallel()
	got := within(config.Provider{Policy: config.StandardPolicy()}, slog.New(slog.DiscardHandler)).Policy
	if got != failover.Default {
		t.Errorf("configured: %+v; of the adapter: %+v", got, failover.Default)
	}
}

func TestWhatTheLogSaysOfAProvider(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event failover.Event
		want  string // in the log, nothing where empty
	}{
		"it is left alone":                  {failover.Event{Decision: failover.Opened}, "level=WARN"},
		"it is back":                        {failover.Event{Decision: failover.Closed}, "level=INFO"},
		"its account was refused":           {failover.Event{Decision: failover.Tried, Failed: true, Kind: fault.Unauthorized}, "level=ERROR"},
		"its account is used up":            {failover.Event{Decision: failover.Tried, Failed: true, Kind: fault.QuotaExceeded}, "level=ERROR"},
		"it could not be reached":           {failover.Event{Decision: failover.Tried, Failed: true, Kind: fault.Unavailable}, ""},
		"a call went well":                  {failover.Event{Decision: failover.Tried}, ""},
		"too many calls are under way":      {failover.Event{Decision: failover.Overloaded}, "level=WARN"},
		"it is skipped, as was said before": {failover.Event{Decision: failover.Skipped}, ""},
	} {
		var log bytes.Buffer
		c.event.Provider = "acme"
		observe(slog.New(slog.NewTextHandler(&log, nil)), c.event)
		if got := log.String(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) || got != "" && !strings.Contains(got, "provider=acme") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
