// Command report runs go test and says what ran: a line a package, whatever
// failed in full, how many cases of the contract suites ran on each adapter,
// which judges from outside were at hand, what was counted, and last a line with the totals alone.
//
//	go run ./tests/report [go test's flags] ./...
//
// It exits with 1 if a test failed or was skipped, if a package did not build,
// or if nothing ran: a suite that skips what it cannot do proves nothing.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
	}
	if !ok {
		os.Exit(1)
	}
}

// run gives args to go test and reports on what it prints.
func run(ctx context.Context, args []string) (ok bool, err error) {
	// Not from the cache: it does not see the programs that tests build and run.
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1"}, args...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	r := newReport(os.Stdout)
	readErr := r.read(events)
	waitErr := cmd.Wait()
	if readErr != nil {
		return false, readErr
	}
	return r.finish(waitErr), nil
}
