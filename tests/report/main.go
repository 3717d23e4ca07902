// Command report runs go test and prints what ran: one line per package, the full output of
// failures, the number of contract cases per adapter, which external references were available, the
// reported counts, and a last line with only the totals.
//
//	go run ./tests/report [go test's flags] ./...
//
// It exits with 1 if a test failed or was skipped, if a package did not build, or if nothing ran: a
// suite that skips what it cannot check proves nothing.
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

// run runs go test with args and reports on its output.
func run(ctx context.Context, args []string) (ok bool, err error) {
	// -count=1 disables the cache, which does not see the programs that tests build and run.
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
