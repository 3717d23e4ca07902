// Command patchbay is the gateway.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"patchbay/app/cli"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go obey(signals, stop, func(text string) { fmt.Fprintln(os.Stderr, text) }, os.Exit)
	code := cli.Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
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
