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
	go obey(signals, stop, func(text string) { fmt.Fprintln(os.Stderr, text) }, os.Exit)
	return Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, further...)
}

// obey asks the command to end at the first signal, and ends the process at the second.
// That is not left to the system: process 1 of a container would ignore it. Whoever reads
// what is said may be what hangs: it is not waited for longer than a second.
func obey(signals <-chan os.Signal, stop func(), say func(string), exit func(code int)) {
	<-signals
	stop()
	<-signals
	said := make(chan struct{})
	go func() {
		defer close(said)
		say("patchbay: a second signal: ended at once; what was under way is taken up at the next start")
	}()
	select {
	case <-said:
	case <-time.After(time.Second):
	}
	exit(1)
}
