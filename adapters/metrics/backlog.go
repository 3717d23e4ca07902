package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// reuseFor is how long a count is reused, so that frequent or multiple scrapers do
	// not query the store more often than this.
	reuseFor = 5 * time.Second
	// countLimit is how long the store may take.
	countLimit = 2 * time.Second
)

// Count is the number of items, and the age of the oldest.
type Count struct {
	N      int
	Oldest time.Duration
}

// Backlog is what waits in the store, by queue, and what is open in it, by kind.
type Backlog struct{ Queues, Open map[string]Count }

// Backlog registers the metrics of unfinished records in the store. count queries the
// store. While it fails no counts are reported, and patchbay_store_counted is 0, because
// counts of zero would be wrong.
func (m *Metrics) Backlog(count func(context.Context) (Backlog, error)) {
	m.registry.MustRegister(&backlog{count: count})
}

var (
	counted = prometheus.NewDesc("patchbay_store_counted", "Whether what waits in the store could be counted.", nil, nil)
	depth   = prometheus.NewDesc("patchbay_queue_depth", "What waits in a queue of the store.", []string{"queue"}, nil)
	overdue = prometheus.NewDesc("patchbay_queue_oldest_seconds", "How long what has been due longest in a queue has been due.", []string{"queue"}, nil)
	open    = prometheus.NewDesc("patchbay_open", "What is open in the store and may need a person.", []string{"of"}, nil)
	oldest  = prometheus.NewDesc("patchbay_open_oldest_seconds", "How long the oldest of what is open has been so.", []string{"of"}, nil)
)

// backlog collects a Backlog.
type backlog struct {
	count func(context.Context) (Backlog, error)

	mu   sync.Mutex
	at   time.Time
	last Backlog
	err  error
}

// Describe implements prometheus.Collector.
func (b *backlog) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{counted, depth, overdue, open, oldest} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (b *backlog) Collect(to chan<- prometheus.Metric) {
	now, err := b.read()
	if err != nil {
		to <- prometheus.MustNewConstMetric(counted, prometheus.GaugeValue, 0)
		return
	}
	to <- prometheus.MustNewConstMetric(counted, prometheus.GaugeValue, 1)
	show(to, depth, overdue, now.Queues)
	show(to, open, oldest, now.Open)
}

func show(to chan<- prometheus.Metric, n, age *prometheus.Desc, all map[string]Count) {
	for name, c := range all {
		to <- prometheus.MustNewConstMetric(n, prometheus.GaugeValue, float64(c.N), name)
		to <- prometheus.MustNewConstMetric(age, prometheus.GaugeValue, c.Oldest.Seconds(), name)
	}
}

// read returns the counts, and reads them again only after reuseFor.
func (b *backlog) read() (Backlog, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at.IsZero() || time.Since(b.at) >= reuseFor {
		ctx, cancel := context.WithTimeout(context.Background(), countLimit)
		defer cancel()
		b.last, b.err = b.count(ctx)
		b.at = time.Now()
	}
	return b.last, b.err
}
