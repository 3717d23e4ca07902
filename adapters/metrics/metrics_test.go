package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/metrics"
)

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("status = %d, Content-Type = %q, want 200 and text/plain", w.Code, w.Header().Get("Content-Type"))
	}
	return "\n" + w.Body.String()
}

func TestExposedMetrics(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(m *metrics.Metrics)
		want    []string
		none    string // must not be shown
	}{
		"a process": {func(*metrics.Metrics) {}, []string{"go_goroutines ", "process_open_fds "}, "patchbay_"},
		"a provider without calls": {func(m *metrics.Metrics) { m.Add("acme", "retried", "skipped") }, []string{
			`patchbay_breaker_state{provider="acme"} 0`, `patchbay_decisions_total{decision="retried",provider="acme"} 0`,
			`patchbay_decisions_total{decision="skipped",provider="acme"} 0`,
		}, "patchbay_calls_total{"},
		"calls": {func(m *metrics.Metrics) {
			m.Tried("acme", "create", metrics.OK, 20*time.Millisecond)
			m.Tried("acme", "create", metrics.OK, 2*time.Second)
			m.Tried("acme", "create", "unavailable", time.Millisecond)
			m.Tried("umbrella", "send", metrics.OK, time.Millisecond)
		}, []string{
			`patchbay_calls_total{op="create",outcome="ok",provider="acme"} 2`, `patchbay_calls_total{op="create",outcome="unavailable",provider="acme"} 1`,
			`patchbay_calls_total{op="send",outcome="ok",provider="umbrella"} 1`, `patchbay_call_seconds_count{op="create",provider="acme"} 3`,
			`patchbay_call_seconds_sum{op="create",provider="acme"} 2.021`, `patchbay_call_seconds_bucket{op="create",provider="acme",le="0.025"} 2`,
		}, "patchbay_breaker_state{"},
		"decisions": {func(m *metrics.Metrics) {
			m.Add("acme", "retried")
			m.Decided("acme", "retried")
			m.Decided("acme", "overloaded")
		}, []string{`patchbay_decisions_total{decision="retried",provider="acme"} 1`, `patchbay_decisions_total{decision="overloaded",provider="acme"} 1`}, "skipped"},
		"a breaker that is open": {func(m *metrics.Metrics) { m.Add("acme"); m.Breaker("acme", metrics.Open) }, []string{`patchbay_breaker_state{provider="acme"} 2`}, "umbrella"},
		"a breaker that probes":  {func(m *metrics.Metrics) { m.Breaker("acme", metrics.Probing) }, []string{`patchbay_breaker_state{provider="acme"} 1`}, "umbrella"},
		"a payment that needs a person": {
			func(m *metrics.Metrics) { m.Reviewed("acme", "second_intent") },
			[]string{`patchbay_reviews_total{provider="acme",reason="second_intent"} 1`},
			"umbrella",
		},
		"a spool": {func(m *metrics.Metrics) {
			m.Spool(func() (held, refused int, oldest time.Duration) { return 3, 1, 90 * time.Second })
		}, []string{"patchbay_spool_held 3", "patchbay_spool_refused 1", "patchbay_spool_oldest_seconds 90"}, "patchbay_standby"},
		"a standby": {func(m *metrics.Metrics) { m.Standby(func() float64 { return 1.5 }) }, []string{"patchbay_standby_lag_seconds 1.5"}, "patchbay_spool"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := metrics.New()
			c.happens(m)
			text := scrape(t, m)
			for _, want := range c.want {
				if !strings.Contains(text, "\n"+want) {
					t.Errorf("metrics =\n%s\nwant %q in it", text, want)
				}
			}
			if strings.Contains(text, c.none) {
				t.Errorf("metrics =\n%s\nwant no %q in it", text, c.none)
			}
		})
	}
}

// Two gateways in one process have nothing in common.
func TestMetricsHaveTheirOwnRegistry(t *testing.T) {
	t.Parallel()
	one, other := metrics.New(), metrics.New()
	one.Add("acme")
	if text := scrape(t, other); strings.Contains(text, "acme") {
		t.Errorf("metrics of another registry =\n%s\nwant nothing of acme", text)
	}
}
