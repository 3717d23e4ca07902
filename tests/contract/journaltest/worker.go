package journaltest

import (
	"context"
	"encoding/json"
	"os"
	"sync"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
)

// The environment variables of a worker: the place of its store, and the error of its clock.
const (
	envPlace = "PATCHBAY_CONTRACT_PLACE"
	envSkew  = "PATCHBAY_CONTRACT_SKEW"
)

// Opener opens the journal at a place that Processes.Make has returned. clock is the clock of this
// process.
type Opener func(ctx context.Context, place string, clock ports.Clock) (ports.Journal, error)

// Main is for TestMain of the package that calls Run. It runs the tests of the package or, in a
// process that the suite has started as a worker, executes the suite's orders.
func Main(m *testing.M, open Opener) {
	if place := os.Getenv(envPlace); place != "" {
		work(open, place)
		return
	}
	os.Exit(m.Run())
}

// order is an order of a suite to a worker: a line of JSON on the worker's standard input.
type order struct {
	Do     string
	Record ports.Record  // for put
	ID     string        // for get and finish
	Body   []byte        // for finish
	Owner  string        // for claim and drain
	Lease  time.Duration // for claim and drain
	N      int           // for claim and drain: the maximum of a claim
}

// The orders that a worker accepts.
const (
	toPut    = "put"
	toGet    = "get"
	toClaim  = "claim"
	toDrain  = "drain"  // claim until the queue is empty, N at a time, in several goroutines
	toFinish = "finish" // finish a record that this worker has claimed
)

// answer is the result of an order, a line of JSON on standard output. The first answer is the
// result of opening the store.
type answer struct {
	Record ports.Record
	Claims []ports.Claim
	Failed *failure
}

// failure is the part of an error that a caller can act on.
type failure struct{ Kind, Code, Text string }

func failed(err error) *failure {
	if err == nil {
		return nil
	}
	f := fault.From(err)
	return &failure{f.Kind.String(), f.Code, err.Error()}
}

func (f *failure) err() error {
	if f == nil {
		return nil
	}
	return fault.New(fault.ParseKind(f.Kind), f.Code, f.Text)
}

// work opens the store and executes orders until there are no more, because the suite has ended or
// died.
func work(open Opener, place string) {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	ctx := context.Background()
	skew, err := time.ParseDuration(os.Getenv(envSkew))
	if err != nil {
		panic(err) // the suite sets it to a valid duration
	}
	j, err := open(ctx, place, skewed(skew))
	w := worker{j, make(map[string]ports.Record)}
	done := answer{Failed: failed(err)}
	for out.Encode(done) == nil && err == nil {
		var o order
		if err = in.Decode(&o); err == nil {
			done = w.do(ctx, o)
		}
	}
}

// skewed is a clock that is off by a duration.
type skewed time.Duration

// Now implements ports.Clock.
func (s skewed) Now() time.Time {
	return time.Now().UTC().Add(time.Duration(s)).Truncate(time.Microsecond)
}

type worker struct {
	journal ports.Journal
	claimed map[string]ports.Record
}

func (w worker) do(ctx context.Context, o order) answer {
	switch o.Do {
	case toPut:
		return answer{Failed: failed(w.journal.Save(ctx, &o.Record)[0])}
	case toGet:
		r, err := w.journal.Get(ctx, fixture.Tenant, fixture.Kind, o.ID)
		return answer{Record: r, Failed: failed(err)}
	case toClaim:
		claims, err := w.journal.Claim(ctx, fixture.Queue, o.Owner, o.Lease, o.N)
		for _, c := range claims {
			w.claimed[c.ID] = c.Record
		}
		return answer{Claims: claims, Failed: failed(err)}
	case toDrain:
		return w.drain(ctx, o)
	case toFinish:
		r := w.claimed[o.ID]
		r.Body, r.Queue, r.Owner, r.Due = o.Body, "", "", time.Time{}
		return answer{Failed: failed(w.journal.Save(ctx, &r)[0])}
	}
	return answer{Failed: failed(fault.New(fault.Internal, "unknown_order", o.Do))}
}

func (w worker) drain(ctx context.Context, o order) (a answer) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				claims, err := w.journal.Claim(ctx, fixture.Queue, o.Owner, o.Lease, o.N)
				mu.Lock()
				a.Claims = append(a.Claims, claims...)
				if err != nil {
					a.Failed = failed(err)
				}
				mu.Unlock()
				if err != nil || len(claims) == 0 {
					return
				}
			}
		})
	}
	all.Wait()
	return a
}
