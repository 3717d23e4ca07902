package smtpmail

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"patchbay/core/guard"
)

// pool keeps sessions between messages. It bounds how many messages are under way, and thereby how
// many connections there are: one is opened only if none is free.
type pool struct {
	places chan struct{}
	idle   time.Duration
	log    *slog.Logger

	mu   sync.Mutex
	free []*session // the last used one is the last
}

func newPool(places int, idle time.Duration, log *slog.Logger) *pool {
	return &pool{places: make(chan struct{}, places), idle: idle, log: log}
}

// enter waits for a place. It returns the context's error if that ends first.
func (p *pool) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) leave() { <-p.places }

// get returns the session that was used last, or nil if none is free.
func (p *pool) get() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free) - 1
	if n < 0 {
		return nil
	}
	s := p.free[n]
	p.free = p.free[:n]
	s.expiry.Stop() // if it has fired, it finds the session taken
	return s
}

// put keeps a session until it is used again, or has been idle for too long.
func (p *pool) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, s)
	s.expiry = guard.AfterFunc(p.log, p.idle, "close an idle SMTP connection", func() {
		if p.take(s) {
			s.bye()
		}
	})
}

// take removes a free session, and reports whether it was free.
func (p *pool) take(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.free, s)
	if i < 0 {
		return false
	}
	p.free = slices.Delete(p.free, i, i+1)
	return true
}
