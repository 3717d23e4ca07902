// Package app puts the gateway together: which adapter stands behind which
// port, in what order things start, and in what order they stop.
package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"patchbay/config"
)

const (
	startLimit = time.Minute // a large database may have to be recovered
	// drainLimit is how long a stop waits for what is under way: the longest
	// call at a provider, and the saving of its outcome.
	drainLimit = 50 * time.Second
)

// Run serves until ctx ends, and then until what is under way is done.
func Run(ctx context.Context, c *config.Config, logTo io.Writer) error {
	opened := new(closers)
	gateway := fx.New(
		fx.Supply(c, opened),
		fx.Provide(func() *slog.Logger { return logger(c.Log, logTo) }),
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
		fx.StartTimeout(startLimit), fx.StopTimeout(drainLimit),
		modules,
	)
	if err := gateway.Err(); err != nil {
		return errors.Join(dig.RootCause(err), opened.close(ctx))
	}
	// Who is told to stop while starting is started, and then stopped: everything
	// that was opened is closed.
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
	defer cancel()
	if err := gateway.Start(starting); err != nil {
		return dig.RootCause(err)
	}
	var failed error
	select {
	case <-ctx.Done():
	case signal := <-gateway.Wait():
		if signal.ExitCode != 0 {
			failed = errors.New("a listener failed; see the log")
		}
	}
	stopping, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	return errors.Join(failed, gateway.Stop(stopping))
}

func logger(l config.Log, to io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // the configuration has checked it
	}
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}
