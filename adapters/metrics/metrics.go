// Package metrics counts what the gateway does at its providers, and exposes it in the
// Prometheus format (prometheus.io/docs/instrumenting/exposition_formats). It has a
// registry of its own, and no global state.
package metrics

import (
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// State is the state of a breaker.
type State int

// The states of a breaker, with their exposed values.
const (
	Closed State = iota
	Probing
	Open
)

// OK is the outcome of a successful call; any other outcome is named after its Kind.
const OK = "ok"

// buckets range from a store on this machine to the longest deadline, in seconds.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Metrics holds all metrics. Its methods are safe for concurrent use.
type Metrics struct {
	registry   *prometheus.Registry
	calls      *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	decisions  *prometheus.CounterVec
	breakers   *prometheus.GaugeVec
	reviews    *prometheus.CounterVec
	mailEvents *prometheus.CounterVec
	suppressed *prometheus.CounterVec
}

// New returns Metrics without providers, with the metrics of the process.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.seconds = promauto.With(m.registry).NewHistogramVec(prometheus.HistogramOpts{
		Name: "patchbay_call_seconds", Help: "How long a try at a provider took.", Buckets: buckets,
	}, []string{"provider", "op"})
	m.breakers = promauto.With(m.registry).NewGaugeVec(prometheus.GaugeOpts{
		Name: "patchbay_breaker_state", Help: "The breaker of a provider: 0 closed, 1 probing, 2 open.",
	}, []string{"provider"})
	m.calls = m.counter("patchbay_calls_total", "Tries at a provider, by how they ended.", "op", "outcome")
	m.decisions = m.counter("patchbay_decisions_total", "What the policy of a provider decided about calls.", "decision")
	m.reviews = m.counter("patchbay_reviews_total", "Payments that have come to need a person, by why.", "reason")
	m.mailEvents = m.counter("patchbay_mail_events_total", "What mail providers have told by webhook, or why it was ignored.", "event")
	m.suppressed = promauto.With(m.registry).NewCounterVec(prometheus.CounterOpts{
		Name: "patchbay_suppressions_total", Help: "Addresses that have become suppressed, by why.",
	}, []string{"reason"})
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// counter registers counts by provider and further labels.
func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	return promauto.With(m.registry).NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"provider"}, labels...))
}

// zero makes counts of 0 visible.
func zero(counts *prometheus.CounterVec, provider string, values []string) {
	for _, v := range values {
		counts.WithLabelValues(provider, v).Add(0)
	}
}

// Add registers a provider before anything is called there: its breaker is closed, and the
// counts of the decisions are 0.
func (m *Metrics) Add(provider string, decisions ...string) {
	m.breakers.WithLabelValues(provider).Set(float64(Closed))
	zero(m.decisions, provider, decisions)
}

// Tried counts an attempt at a provider.
func (m *Metrics) Tried(provider, op, outcome string, took time.Duration) {
	m.calls.WithLabelValues(provider, op, outcome).Inc()
	m.seconds.WithLabelValues(provider, op).Observe(took.Seconds())
}

// Decided counts a decision about a call.
func (m *Metrics) Decided(provider, decision string) {
	m.decisions.WithLabelValues(provider, decision).Inc()
}

// Breaker sets the state of a provider's breaker.
func (m *Metrics) Breaker(provider string, s State) {
	m.breakers.WithLabelValues(provider).Set(float64(s))
}

// AddReviews registers a payment provider with counts of 0.
func (m *Metrics) AddReviews(provider string, reasons ...string) { zero(m.reviews, provider, reasons) }

// Reviewed counts a payment that has come to need a person.
func (m *Metrics) Reviewed(provider, reason string) {
	m.reviews.WithLabelValues(provider, reason).Inc()
}

// AddMailEvents registers a mail provider with counts of 0.
func (m *Metrics) AddMailEvents(provider string, events ...string) {
	zero(m.mailEvents, provider, events)
}

// MailEvent counts an event that a mail provider has reported by webhook, or the reason why it
// was ignored.
func (m *Metrics) MailEvent(provider, event string) {
	m.mailEvents.WithLabelValues(provider, event).Inc()
}

// AddSuppressions makes counts of 0 visible, one for each reason.
func (m *Metrics) AddSuppressions(reasons ...string) {
	for _, r := range reasons {
		m.suppressed.WithLabelValues(r).Add(0)
	}
}

// Suppressed counts an address that has become suppressed.
func (m *Metrics) Suppressed(reason string) { m.suppressed.WithLabelValues(reason).Inc() }

// Spool registers the metrics of the records that wait on this machine for the store.
// oldest is how long the oldest has waited.
func (m *Metrics) Spool(read func() (held, refused int, oldest time.Duration)) {
	m.gauge("patchbay_spool_held", "What waits in the spool for the store.", func() float64 {
		held, _, _ := read()
		return float64(held)
	})
	m.gauge("patchbay_spool_refused", "What is kept in the spool because the store has something else under its name.", func() float64 {
		_, refused, _ := read()
		return float64(refused)
	})
	m.gauge("patchbay_spool_oldest_seconds", "How long the oldest in the spool has waited.", func() float64 {
		_, _, oldest := read()
		return oldest.Seconds()
	})
}

// Restored registers the time since when the store is a restored older copy, or the zero
// time if it is not.
func (m *Metrics) Restored(since func() time.Time) {
	m.gauge("patchbay_store_restored_timestamp_seconds", "When an older copy of the store was first served from, 0 where it never was.", func() float64 {
		if at := since(); !at.IsZero() {
			return float64(at.UnixMicro()) / 1e6
		}
		return 0
	})
}

// Held registers whether payments are held because it is not known after a restore which
// payments the providers have.
func (m *Metrics) Held(held func() bool) {
	m.gauge("patchbay_payments_held", "1 while no payment is made, since it is not known what the providers hold after a restore.", func() float64 {
		if held() {
			return 1
		}
		return 0
	})
}

// Standby registers the lag of the copy of the users, in seconds.
func (m *Metrics) Standby(lag func() float64) {
	m.gauge("patchbay_standby_lag_seconds", "How far the standby was behind when the store was last reached.", lag)
}

// SetAside registers the number of records that are set aside. It is NaN while the number
// cannot be read.
func (m *Metrics) SetAside(count func() (int, error)) {
	m.gauge("patchbay_records_set_aside", "Records that could not be handled time and again, and wait for a person.", func() float64 {
		n, err := count()
		if err != nil {
			return math.NaN()
		}
		return float64(n)
	})
}

func (m *Metrics) gauge(name, help string, read func() float64) {
	promauto.With(m.registry).NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
