package chaos_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// wait is a time in which others work.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	began := time.Now()
	gateway.Eventually(t, d+time.Minute, "a time passes", func() bool { return time.Since(began) >= d })
}

// stall stops a whole process for a while.
func (s *street) stall(t *testing.T, g *gateway.Gateway, d time.Duration) {
	t.Helper()
	g.Pause(t)
	wait(t, d)
	g.Resume(t)
}

// step sets the clocks of all gateways so far off.
func (s *street) step(t *testing.T, off time.Duration) {
	t.Helper()
	s.clock = off
	for _, g := range s.all {
		g.SetClock(t, off)
	}
}

// outage lets no provider be reached.
func (s *street) outage(t *testing.T, d time.Duration) {
	t.Helper()
	for _, p := range s.providers() {
		p.Refuse()
	}
	wait(t, d)
	for _, p := range s.providers() {
		p.Resume()
	}
}

// backup keeps a copy. What is accepted from now on is not in it.
func (s *street) backup(t *testing.T, file string) {
	t.Helper()
	s.mu.Lock()
	s.window = true
	s.mu.Unlock()
	s.Backup(t, file)
}

// putBack puts the copy in the place of the store, and repeats every key that was
// answered.
func (s *street) putBack(t *testing.T, file string) {
	t.Helper()
	s.gate.Lock()
	if err := s.Stop(); err != nil {
		t.Errorf("%v\n%s", err, s.Log())
	}
	s.PutBack(t, file)
	s.Restart(t)
	s.mu.Lock()
	s.window, s.replaying, s.older = false, true, true
	all := slices.Clone(s.requests)
	s.mu.Unlock()
	s.gate.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s.repeat(ctx, all, "after an older file was put back")
	s.mu.Lock()
	s.replaying = false
	s.mu.Unlock()
}

// streetSettles bounds the wait for what never ends.
const streetSettles = 2 * time.Minute

// settle heals everything and lets time pass until nothing waits. Nobody asks anything
// in it. At the end a payment may have been looked for for hours.
func (s *street) settle(t *testing.T) {
	t.Helper()
	for _, p := range s.providers() {
		p.Heal()
	}
	began, last := time.Now(), time.Time{}
	open := func() (all []string) {
		for _, path := range []string{"/api/payments?status=processing&limit=3", "/api/emails?status=queued&limit=3", "/api/emails?status=sending&limit=3"} {
			for _, one := range s.read(t, path).Data() {
				all = append(all, fmt.Sprint(one))
			}
		}
		return all
	}
	gateway.Eventually(t, streetSettles+time.Minute, "it settles", func() bool {
		if time.Since(last) < look {
			return false
		}
		last = time.Now()
		left := open()
		if len(left) > 0 && time.Since(began) > streetSettles {
			s.wrong("what never ends", "%v", left)
			return true
		}
		s.passed.Add(int64(20 * time.Minute))
		s.step(t, s.clock+20*time.Minute)
		if _, err := s.store(t.Context(), hasten); err != nil {
			t.Fatal(err)
		}
		return len(left) == 0
	})
}
