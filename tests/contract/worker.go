package contract

import (
	"context"
	"encoding/json"
	"os"
	"sync"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

// The environment of a worker: where its store is, and by how much its clock is
// wrong.
const (
	envPlace = "PATCHBAY_CONTRACT_PLACE"
	envSkew  = "PATCHBAY_CONTRACT_SKEW"
)

// Opener opens the journal at a place that Processes.Make has made. clock is what
// this process takes for the time.
type Opener func(ctx context.Context, place string, clock ports.Clock) (ports.Journal, error)

// Main is for TestMain. It runs the tests of the package; or, in a process that a
// suite has started beside itself, it does what that suite says.
func Main(m *testing.M, open Opener) {
	if place := os.Getenv(envPlace); place != "" {
		work(open, place)
		return
	}
	os.Exit(m.Run())
}

// order is what a suite tells a worker, a line of JSON on its standard input.
type order struct {
	Do     string
	Record ports.Record  // to put
	ID     string        // to get or to finish
	Body   []byte        // to finish with
	Owner  string        // to claim for
	Lease  time.Duration // to claim under
	N      int           // to claim at the most
}

// What a worker can be told.
const (
	toPut    = "put"
	toGet    = "get"
	toClaim  = "claim"
	toDrain  = "drain"  // claim until nothing is left, N at a time, by several goroutines
	toFinish = "finish" // a record that this worker has claimed
)

// answer is what came of an order, a line on standard output. The first one is of
// the opening.
type answer struct {
	Record ports.Record
	Claims []ports.Claim
	Failed *failure
}

// failure is as much of an error as a caller may act upon.
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

// work opens the store and does orders until there are no more: the suite has
// ended, or has died.
func work(open Opener, place string) {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	ctx := context.Background()
	skew, err := time.ParseDuration(os.Getenv(envSkew))
	if err != nil {
		panic(err) // the suite has set it
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

// skewed is a clock that is wrong.
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
		r, err := w.journal.Get(ctx, tenant, kind, o.ID)
		return answer{Record: r, Failed: failed(err)}
	case toClaim:
		claims, err := w.journal.Claim(ctx, queue, o.Owner, o.Lease, o.N)
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
				claims, err := w.journal.Claim(ctx, queue, o.Owner, o.Lease, o.N)
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
