// Package app assembles the gateway: it selects the adapter for each port and defines the
// order in which components start and stop.
package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"

	"patchbay/config"
	"patchbay/core/guard"
	"patchbay/core/logging"
)

const (
	startLimit = time.Minute // a large database may have to be recovered
	// drainLimit is how long a stop waits for work in progress: the longest call to a
	// provider, and saving its outcome.
	drainLimit = 50 * time.Second
)

// Run serves until ctx ends, and then waits until the work in progress is done.
func Run(ctx context.Context, c *config.Config, logTo io.Writer) error {
	defer limitMemory(c)()
	l, flush := logger(c, logTo)
	defer flush()
	opened, under := new(closers), new(underway)
	captureLibraryLogs(l.Logger)
	defer ignoreHangup(l.Logger)()
	gateway := fx.New(
		fx.Supply(c, opened, under),
		fx.Provide(func() (logging.Log, *slog.Logger) { return l, l.Logger }),
		fx.StartTimeout(startLimit), fx.StopTimeout(drainLimit),
		modules, unlogged,
	)
	if err := gateway.Err(); err != nil {
		return errors.Join(dig.RootCause(err), opened.close())
	}
	// If ctx ends during the start, the start completes and the gateway is then stopped, so
	// that everything that was opened is closed.
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
	defer cancel()
	if err := gateway.Start(starting); err != nil {
		return dig.RootCause(err)
	}
	var failed error
	select {
	case <-ctx.Done():
	case ended := <-gateway.Wait():
		if ended.ExitCode != 0 {
			failed = errors.New("a listener failed; see the log")
		}
	}
	stopping, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	return errors.Join(failed, under.stop(l.Logger, func() error { return gateway.Stop(stopping) }))
}

// ignoreHangup ignores SIGHUP, so that closing a terminal or trying to reload the
// configuration does not end the process. The returned function restores the previous
// behaviour.
func ignoreHangup(log *slog.Logger) (undo func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	guard.Go(log, "signals", func() {
		for range signals {
			log.Info("signal is ignored: the configuration is read at the start, and no file is opened again", "signal", "SIGHUP")
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}
