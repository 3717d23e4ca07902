package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/metrics"
	"patchbay/adapters/resilience"
	"patchbay/config"
	"patchbay/core/fault"
	"patchbay/tests/defaultpolicy"
)

// quiet is surroundings whose log nobody reads.
func quiet() environment {
	return environment{log: discard.Logger, outages: discard.Outages, metrics: metrics.New()}
}

func TestAProvidersPolicyIsAppliedInFull(t *testing.T) {
	t.Parallel()
	got := withPolicy(config.Provider{Policy: config.StandardPolicy()}, quiet(), roleMail(true)).Policy
	if want := defaultpolicy.Provider(); got != want {
		t.Errorf("policy = %+v, want %+v", got, want)
	}
}

func TestProviderMetrics(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]resilience.Event{
		`patchbay_calls_total{op="create",outcome="ok",provider="acme"} 1`:       {Decision: resilience.Tried, Op: "create"},
		`patchbay_calls_total{op="create",outcome="declined",provider="acme"} 1`: {Decision: resilience.Tried, Op: "create", Failed: true, Kind: fault.Declined},
		`patchbay_call_seconds_sum{op="create",provider="acme"} 1.5`:             {Decision: resilience.Tried, Op: "create", Took: 1500 * time.Millisecond},
		`patchbay_decisions_total{decision="retried",provider="acme"} 1`:         {Decision: resilience.Retried, Op: "create"},
		`patchbay_decisions_total{decision="spared",provider="acme"} 1`:          {Decision: resilience.Spared, Op: "create"},
		`patchbay_decisions_total{decision="skipped",provider="acme"} 1`:         {Decision: resilience.Skipped, Op: "create"},
		`patchbay_decisions_total{decision="overloaded",provider="acme"} 1`:      {Decision: resilience.Overloaded, Op: "create"},
		`patchbay_breaker_state{provider="acme"} 2`:                              {Decision: resilience.Opened},
		`patchbay_breaker_state{provider="acme"} 1`:                              {Decision: resilience.Probing},
		`patchbay_breaker_state{provider="acme"} 0`:                              {Decision: resilience.Closed},
	} {
		s := quiet()
		e.Provider = "acme"
		withPolicy(config.Provider{Name: "acme", Policy: config.StandardPolicy()}, s, roleMail(true)).Observe(e)
		w := httptest.NewRecorder()
		s.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if !strings.Contains(w.Body.String(), "\n"+want+"\n") {
			t.Errorf("%+v: no %s in:\n%s", e, want, w.Body)
		}
	}
}
