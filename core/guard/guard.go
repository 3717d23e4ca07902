// Package guard keeps a panic from ending the process with all that is under way in it.
// Every goroutine that works in the background is started by it.
package guard

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"patchbay/core/fault"
)

// CodePanic is the code of what Do makes of a panic.
const CodePanic = "panic"

// Do calls f. A panic of f is returned as an error: Internal with CodePanic, whose cause is
// a *Panic. What f had begun then is not known: nothing may be concluded from it.
func Do(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &fault.Error{Kind: fault.Internal, Code: CodePanic, Err: &Panic{Value: v, Stack: debug.Stack()}}
		}
	}()
	return f()
}

// Panic is what somebody has panicked with, and where: the log shows the stack of any
// error that it is the cause of.
type Panic struct {
	Value any
	Stack []byte
}

// Error is the value in words. Nobody knows what it quotes: the log takes out what must not
// stand there, and shortens the rest. To cut it here would leave half a secret that is not
// known for one.
func (p *Panic) Error() string { return strings.ToValidUTF8(fmt.Sprint(p.Value), "") }

// Call calls f. A panic of f is written to the log; what says in words who was at work.
func Call(log *slog.Logger, what string, f func()) (ok bool) {
	err := Do(func() error { f(); return nil })
	if err != nil {
		log.LogAttrs(context.Background(), slog.LevelError, "panic in the background", slog.String("what", what), slog.Any("error", err))
	}
	return err == nil
}

// AfterFunc is time.AfterFunc for an f that may panic.
func AfterFunc(log *slog.Logger, d time.Duration, what string, f func()) *time.Timer {
	return time.AfterFunc(d, func() { Call(log, what, f) })
}

// Go runs f in the background.
func Go(log *slog.Logger, what string, f func()) {
	go Call(log, what, f)
}

// Group runs functions in the background, and waits for them. The zero Group is ready
// where its Log is set.
type Group struct {
	Log     *slog.Logger
	running sync.WaitGroup
}

// Go runs f once. Whatever f gives back by a defer it gives back after a panic too.
func (g *Group) Go(what string, f func()) {
	g.running.Go(func() { Call(g.Log, what, f) })
}

// The wait after a panic, at first, and at the most.
const soon, late = time.Second, time.Minute

// Keep runs what is to run until ctx ends. Should it panic it is run again after a while:
// after a second at first, and after a minute in the end.
func (g *Group) Keep(ctx context.Context, what string, run func(context.Context)) {
	g.running.Go(func() {
		for wait := soon; !Call(g.Log, what, func() { run(ctx) }); wait = min(2*wait, late) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	})
}

// Wait waits until all have ended.
func (g *Group) Wait() { g.running.Wait() }
