package chaos_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// wait waits while others work.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	began := time.Now()
	gateway.Eventually(t, d+time.Minute, "a time passes", func() bool { return time.Since(began) >= d })
}

// stall stops a whole process for a while.
func (s *scenario) stall(t *testing.T, g *gateway.Gateway, d time.Duration) {
	t.Helper()
	g.Pause(t)
	wait(t, d)
	g.Resume(t)
}

// step sets the offset of the clocks of all gateways.
func (s *scenario) step(t *testing.T, off time.Duration) {
	t.Helper()
	s.clock = off
	for _, g := range s.all {
		g.SetClock(t, off)
	}
}

// outage makes all providers unreachable for a while.
func (s *scenario) outage(t *testing.T, d time.Duration) {
	t.Helper()
	for _, p := range s.providers() {
		p.Refuse()
	}
	wait(t, d)
	for _, p := range s.providers() {
		p.Resume()
	}
}

// backup makes a copy of the store. What is accepted from now on is not in it.
func (s *scenario) backup(t *testing.T, file string) {
	t.Helper()
	s.mu.Lock()
	s.afterBackup = true
	s.mu.Unlock()
	s.Backup(t, file)
}

// restoreBackup replaces the store by the copy, and repeats every key that has a final answer.
func (s *scenario) restoreBackup(t *testing.T, file string) {
	t.Helper()
	s.gate.Lock()
	if err := s.Stop(); err != nil {
		t.Errorf("%v\n%s", err, s.Log())
	}
	s.PutBack(t, file)
	s.Restart(t)
	s.mu.Lock()
	s.afterBackup, s.replaying, s.restored = false, true, true
	all := slices.Clone(s.requests)
	s.mu.Unlock()
	s.gate.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	repeated := make(chan struct{})
	go func() {
		defer close(repeated)
		s.repeat(ctx, all, "after an older file was restored")
	}()
	last := time.Now()
	gateway.Eventually(t, 3*time.Minute, "every key was repeated", func() bool {
		select {
		case <-repeated:
			return true
		default:
		}
		if time.Since(last) < pollEvery {
			return false
		}
		last = time.Now()
		if _, err := s.store(t.Context(), lookUpNow); err != nil {
			t.Error(err)
		}
		return false
	})
	s.mu.Lock()
	s.replaying = false
	s.mu.Unlock()
}

// settleLimit is after how long an operation counts as never ending.
const settleLimit = 2 * time.Minute

// settle ends all faults and advances the clocks until nothing waits. There is no load. By the
// gateways' clocks a payment may have been looked up for hours.
func (s *scenario) settle(t *testing.T) {
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
	gateway.Eventually(t, settleLimit+time.Minute, "everything has settled", func() bool {
		if time.Since(last) < pollEvery {
			return false
		}
		last = time.Now()
		left := open()
		if len(left) > 0 && time.Since(began) > settleLimit {
			s.problem("operations that never end", "%v", left)
			return true
		}
		s.passed.Add(int64(20 * time.Minute))
		s.step(t, s.clock+20*time.Minute)
		if _, err := s.store(t.Context(), makeDue); err != nil {
			t.Fatal(err)
		}
		return len(left) == 0
	})
}
