package app

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/failover"
	"patchbay/adapters/metrics"
	"patchbay/config"
	"patchbay/core/fault"
)

// The default stands in the configuration, which is read without adapters, and
// with the adapter, which works without a configuration.
func TestThereIsOneDefaultPolicy(t *testing.T) {
	t.Parallel()
	got := within(config.Provider{Policy: config.StandardPolicy()}, surroundings{log: slog.New(slog.DiscardHandler), metrics: metrics.New()}).Policy
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

func TestWhatTheMetricsSayOfAProvider(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]failover.Event{
		`patchbay_calls_total{op="create",outcome="ok",provider="acme"} 1`:       {Decision: failover.Tried, Op: "create"},
		`patchbay_calls_total{op="create",outcome="declined",provider="acme"} 1`: {Decision: failover.Tried, Op: "create", Failed: true, Kind: fault.Declined},
		`patchbay_call_seconds_sum{op="create",provider="acme"} 1.5`:             {Decision: failover.Tried, Op: "create", Took: 1500 * time.Millisecond},
		`patchbay_decisions_total{decision="retried",provider="acme"} 1`:         {Decision: failover.Retried, Op: "create"},
		`patchbay_decisions_total{decision="spared",provider="acme"} 1`:          {Decision: failover.Spared, Op: "create"},
		`patchbay_decisions_total{decision="skipped",provider="acme"} 1`:         {Decision: failover.Skipped, Op: "create"},
		`patchbay_decisions_total{decision="overloaded",provider="acme"} 1`:      {Decision: failover.Overloaded, Op: "create"},
		`patchbay_breaker_state{provider="acme"} 2`:                              {Decision: failover.Opened},
		`patchbay_breaker_state{provider="acme"} 1`:                              {Decision: failover.Probing},
		`patchbay_breaker_state{provider="acme"} 0`:                              {Decision: failover.Closed},
	} {
		s := surroundings{log: slog.New(slog.DiscardHandler), metrics: metrics.New()}
		e.Provider = "acme"
		within(config.Provider{Name: "acme", Policy: config.StandardPolicy()}, s).Observe(e)
		w := httptest.NewRecorder()
		s.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if !strings.Contains(w.Body.String(), "\n"+want+"\n") {
			t.Errorf("%+v: no %s in:\n%s", e, want, w.Body)
		}
	}
}
