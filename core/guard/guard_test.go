package guard_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/logging"
)

func newLog(to *bytes.Buffer) *slog.Logger { return logging.New(slog.NewTextHandler(to, nil)).Logger }

// fall panics, where a stack shows it.
func fall() { panic("the cause, ada@example.com " + strings.Repeat("é", 200)) }

func TestAPanicBecomesAnError(t *testing.T) {
	t.Parallel()
	err := guard.Do(func() error { fall(); return nil })
	var p *guard.Panic
	if !fault.Is(err, fault.Internal) || fault.From(err).Code != guard.CodePanic {
		t.Errorf("error = %v, want Internal with the code %s", err, guard.CodePanic)
	}
	if !errors.As(err, &p) {
		t.Fatalf("error = %v, want a *guard.Panic as its cause", err)
	}
	if !strings.Contains(string(p.Stack), "guard_test.fall") {
		t.Errorf("stack = %s, want guard_test.fall in it", p.Stack)
	}
	if text := p.Error(); !strings.HasPrefix(text, "the cause") || !strings.HasSuffix(text, "é") {
		t.Errorf("text = %q, want the whole value of the panic", text)
	}
	if err := guard.Do(func() error { return nil }); err != nil {
		t.Errorf("without a panic: %v", err)
	}
	own := errors.New("own")
	if err := guard.Do(func() error { return own }); !errors.Is(err, own) {
		t.Errorf("error = %v, want that of the function", err)
	}
}

func TestThePanicIsLoggedWithItsStackAndNoAddress(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	if guard.Call(newLog(&log), "the mill", fall) {
		t.Error("it went well")
	}
	for _, want := range []string{`what="the mill"`, "the cause", "guard_test.fall", "code=panic", "[address]"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "ada@") {
		t.Error("the address is in the log")
	}
}

func TestKeepRunsAgainAfterAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		g := guard.Group{Log: newLog(&log)}
		ctx, stop := context.WithCancel(t.Context())
		start := time.Now()
		var began []time.Duration
		g.Keep(ctx, "the mill", func(ctx context.Context) {
			if began = append(began, time.Since(start)); len(began) < 9 {
				fall()
			}
			<-ctx.Done()
		})
		<-time.After(time.Hour)
		stop()
		g.Wait()
		want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183}
		if len(began) != len(want) {
			t.Fatalf("it began at %v", began)
		}
		for i := range want {
			if began[i] != want[i]*time.Second {
				t.Fatalf("it began at %v", began)
			}
		}
	})
}

func TestKeepStopsWaitingWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := guard.Group{Log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithTimeout(t.Context(), time.Second/2)
		defer stop()
		start := time.Now()
		g.Keep(ctx, "the mill", func(context.Context) { fall() })
		g.Wait()
		if took := time.Since(start); took != time.Second/2 {
			t.Errorf("it took %s", took)
		}
	})
}

// A panic in one goroutine ends neither the others nor the wait for them.
func TestPanicStopsNoOtherFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		g := guard.Group{Log: log}
		var gave, done atomic.Bool
		g.Go("one", func() {
			defer gave.Store(true)
			fall()
		})
		g.Go("other", func() { <-time.After(time.Minute); done.Store(true) })
		guard.Go(log, "a third", fall)
		guard.AfterFunc(log, time.Second, "a timer", fall)
		g.Wait()
		if !gave.Load() || !done.Load() {
			t.Errorf("given back: %v, the other ended: %v", gave.Load(), done.Load())
		}
	})
}
