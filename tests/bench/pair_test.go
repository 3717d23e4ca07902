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
	pairs     = 15
	pairConns = 16
)

// BenchmarkPayment16BesideAnotherBinary measures payments at 16 connections on the
// gateway as it is and on another binary, PATCHBAY_BENCH_OTHER, in turn, so that both
// meet the same machine, and prints the ratio of each pair. `make bench-pair` runs it.
func BenchmarkPayment16BesideAnotherBinary(b *testing.B) {
	other := os.Getenv("PATCHBAY_BENCH_OTHER")
	if other == "" {
		b.Log("PATCHBAY_BENCH_OTHER names no binary to measure against")
		return
	}
	t := tasks("")[2]
	var numbers atomic.Int64
	// Each has the machine to itself: what a gateway still has to do after its load, such
	// as to deliver webhooks, must not slow the other down.
	run := func(program string) figure {
		g := gateway.New(b)
		g.Program = program
		g.Restart(b)
		defer g.Kill()
		do := caller(strings.TrimPrefix(g.Base, "http://"), pairConns, t)
		load(b, pairConns, &numbers, do) // it grows warm
		return load(b, pairConns, &numbers, do)
	}
	var ratios []float64
	for n := range pairs {
		var this, that figure
		if n%2 == 0 { // neither is always the first
			this, that = run(""), run(other)
		} else {
			that, this = run(other), run("")
		}
		ratios = append(ratios, this.perSecond/that.perSecond)
		fmt.Printf("pair %2d   this %s   other %s   ratio %.3f\n", n+1, this, that, ratios[n])
	}
	slices.Sort(ratios)
	fmt.Printf("%s at %d connections, this to the other: median of %d pairs %.3f, least %.3f, most %.3f\n",
		t.name, pairConns, pairs, ratios[pairs/2], ratios[0], ratios[pairs-1])
}
