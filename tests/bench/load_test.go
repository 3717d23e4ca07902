package bench_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// figure is the result of a measurement.
type figure struct {
	perSecond float64
	p50, p99  time.Duration
}

func (f figure) String() string {
	return fmt.Sprintf("%8.0f/s  p50 %7s  p99 %7s", f.perSecond, f.p50.Round(10*time.Microsecond), f.p99.Round(10*time.Microsecond))
}

const (
	round    = time.Second // of load
	warmUp   = 200 * time.Millisecond
	maxCalls = 200_000 // in one round, whatever happens
)

// load calls do from n goroutines for a while, each time with a unique number.
func load(b *testing.B, n int, numbers *atomic.Int64, do func(worker int, number int64) error) figure {
	b.Helper()
	run := func(d time.Duration) (all []time.Duration, took time.Duration) {
		lists := make([][]time.Duration, n)
		var done sync.WaitGroup
		var calls atomic.Int64
		start := time.Now()
		for w := range n {
			done.Go(func() {
				for time.Since(start) < d && calls.Add(1) < maxCalls {
					before := time.Now()
					if err := do(w, numbers.Add(1)); err != nil {
						b.Error(err)
						return
					}
					lists[w] = append(lists[w], time.Since(before))
				}
			})
		}
		done.Wait()
		return slices.Concat(lists...), time.Since(start)
	}
	run(warmUp)
	times, took := run(round)
	if len(times) == 0 {
		b.Fatal("nothing was done")
	}
	slices.Sort(times)
	return figure{
		perSecond: float64(len(times)) / took.Seconds(),
		p50:       times[len(times)/2], p99: times[len(times)*99/100],
	}
}

// median returns the figure with the median rate.
func median(figures []figure) figure {
	slices.SortFunc(figures, func(a, b figure) int { return int(a.perSecond - b.perSecond) })
	return figures[len(figures)/2]
}
