package bench_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"patchbay/tests/gateway"
)

const (
	pairs     = 11
	pairConns = 16
)

// BenchmarkBesideAnotherBinary measures each task at 16 connections on this gateway and on another
// binary, PATCHBAY_BENCH_OTHER, in turn, so that the state of the machine affects both, and prints
// the ratio of each pair. `make bench-pair` runs it.
func BenchmarkBesideAnotherBinary(b *testing.B) {
	other := os.Getenv("PATCHBAY_BENCH_OTHER")
	if other == "" {
		b.Log("PATCHBAY_BENCH_OTHER names no binary to measure against")
		return
	}
	for i, t := range tasks("") {
		b.Run(t.name, func(b *testing.B) {
			var ratios []float64
			for n := range pairs {
				var this, that figure
				if n%2 == 0 { // neither is always the first
					this, that = alone(b, "", i), alone(b, other, i)
				} else {
					that, this = alone(b, other, i), alone(b, "", i)
				}
				ratios = append(ratios, this.perSecond/that.perSecond)
				fmt.Printf("pair %2d   this %s   other %s   ratio %.3f\n", n+1, this, that, ratios[n])
			}
			slices.Sort(ratios)
			fmt.Printf("%s at %d connections, this to the other: median of %d pairs %.3f, least %.3f, most %.3f\n",
				t.name, pairConns, pairs, ratios[pairs/2], ratios[0], ratios[pairs-1])
		})
	}
}

// alone measures a task on a gateway that has the machine to itself: another one might still have
// work to do after its load, such as delivering webhooks.
func alone(b *testing.B, program string, n int) figure {
	g := gateway.New(b)
	g.Program = program
	output, err := os.Create(g.Dir + "/log") // as under a supervisor; to read it would take this process the time of the load
	if err != nil {
		b.Fatal(err)
	}
	defer output.Close()
	g.Output = output
	g.Restart(b)
	defer g.Kill()
	u := g.Do(b, "POST", "/api/users", map[string]any{"email": "ada@example.com", "name": "Ada", "metadata": map[string]string{"plan": "free"}})
	var numbers atomic.Int64
	do := caller(strings.TrimPrefix(g.Base, "http://"), pairConns, tasks("/api/users/" + u.Text("id"))[n])
	load(b, pairConns, &numbers, do) // it grows warm
	return load(b, pairConns, &numbers, do)
}
