// Package guard keeps a panic from ending the process and the other work in it. Every
// background goroutine is started through it.
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

// CodePanic is the code of the error that Do returns for a panic.
const CodePanic = "panic"

// Do calls f. It returns a panic of f as an error: Internal with CodePanic, whose cause is a
// *Panic. The state of what f had begun is not known then, so nothing may be concluded from
// the error.
func Do(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &fault.Error{Kind: fault.Internal, Code: CodePanic, Err: &Panic{Value: v, Stack: debug.Stack()}}
		}
	}()
	return f()
}

// Panic is the value and the stack of a panic. The log shows the stack of any error that has
// a Panic as its cause.
type Panic struct {
	Value any
	Stack []byte
}

// Error returns the value as text. It may quote anything, so the log redacts and shortens it.
// It is not cut here, since half a secret would not be recognized for redaction.
func (p *Panic) Error() string { return strings.ToValidUTF8(fmt.Sprint(p.Value), "") }

// Call calls f, and reports whether f returned. It logs a panic of f; what names the work.
func Call(log *slog.Logger, what string, f func()) (ok bool) {
	err := Do(func() error { f(); return nil })
	if err != nil {
		log.LogAttrs(context.Background(), slog.LevelError, "panic in the background", slog.String("what", what), slog.Any("error", err))
	}
	return err == nil
}

// AfterFunc is like time.AfterFunc for an f that may panic.
func AfterFunc(log *slog.Logger, d time.Duration, what string, f func()) *time.Timer {
	return time.AfterFunc(d, func() { Call(log, what, f) })
}

// Go runs f in a goroutine.
func Go(log *slog.Logger, what string, f func()) {
	go Call(log, what, f)
}

// Group runs functions in goroutines, and waits for them. The zero Group is ready for use
// once its Log is set.
type Group struct {
	Log     *slog.Logger
	running sync.WaitGroup
}

// Go runs f once. Deferred calls of f run after a panic, too.
func (g *Group) Go(what string, f func()) {
	g.running.Go(func() { Call(g.Log, what, f) })
}

// The first and the longest wait after a panic.
const minRestartWait, maxRestartWait = time.Second, time.Minute

// Keep calls run, which runs until ctx ends. After a panic it calls run again: after a second
// at first, and after at most a minute.
func (g *Group) Keep(ctx context.Context, what string, run func(context.Context)) {
	g.running.Go(func() {
		for wait := minRestartWait; !Call(g.Log, what, func() { run(ctx) }); wait = min(2*wait, maxRestartWait) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	})
}

// Wait waits until all functions have returned.
func (g *Group) Wait() { g.running.Wait() }
