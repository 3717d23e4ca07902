package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"patchbay/config/setting"
)

// Run is the main function of a gateway. It runs the command line of the process until the
// first signal to end, and returns the exit code. further are types of providers beside
// those of this module, each a provider.Payment, provider.Mail or provider.Storage: see
// docs/adapters.md.
func Run(further ...setting.Described) (code int) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go handleSignals(signals, stop, func(text string) { fmt.Fprintln(os.Stderr, text) }, os.Exit)
	return Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, further...)
}

// handleSignals asks the command to end at the first signal, and ends the process at the second.
// That is not left to the system: process 1 of a container would ignore it. Writing may be
// what hangs: it is not waited for longer than a second.
func handleSignals(signals <-chan os.Signal, stop func(), write func(string), exit func(code int)) {
	<-signals
	stop()
	<-signals
	written := make(chan struct{})
	go func() {
		defer close(written)
		write("patchbay: a second signal: ended at once; a gateway takes up at its next start what was under way")
	}()
	select {
	case <-written:
	case <-time.After(time.Second):
	}
	exit(1)
}
