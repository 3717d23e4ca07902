// Package retention removes data that has reached a maximum age: once per hour, in batches, in
// every process. What a message or a payment loses while it stays is removed by the package that
// stores it.
package retention

import (
	"context"
	"log/slog"
	"time"

	"patchbay/ports"
)

const (
	every = time.Hour
	batch = 500 // removed at a time, so that other work is not held up
)

// Rule says what is removed at which age.
type Rule struct {
	What string // for the log
	Age  time.Duration
	// Purge removes up to n objects created before a time. It returns how many it removed, 0 when
	// none are left.
	Purge func(ctx context.Context, before time.Time, n int) (int, error)
}

// Service applies rules.
type Service struct {
	Rules []Rule
	Clock ports.Clock
	Log   *slog.Logger
}

// Run applies the rules until ctx ends. What fails is retried an hour later.
func (s *Service) Run(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		for _, r := range s.Rules {
			s.apply(ctx, r)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Service) apply(ctx context.Context, r Rule) {
	before := s.Clock.Now().Add(-r.Age)
	all := 0
	for ctx.Err() == nil {
		n, err := r.Purge(ctx, before, batch)
		all += n
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "old entries are not removed", "what", r.What, "error", err)
		}
		if err != nil || n == 0 {
			break
		}
	}
	if all > 0 {
		s.Log.InfoContext(ctx, "old entries were removed", "what", r.What, "count", all)
	}
}
