// Package retention removes what is old: hour by hour, a part at a time, by every
// process. What a message or a payment loses while it stays is seen to where it is
// kept; this is for what goes as a whole.
package retention

import (
	"context"
	"log/slog"
	"time"

	"patchbay/ports"
)

const (
	every = time.Hour
	part  = 500 // removed at once, so that others have their turn
)

// Rule says what is removed at which age.
type Rule struct {
	What string // for the log
	Age  time.Duration
	// Purge removes up to n of what was made before a moment, and returns how many, 0
	// where no more are left.
	Purge func(ctx context.Context, before time.Time, n int) (int, error)
}

// Service keeps rules.
type Service struct {
	Rules []Rule
	Clock ports.Clock
	Log   *slog.Logger
}

// Run keeps the rules until ctx ends. What fails is tried again an hour later.
func (s *Service) Run(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		for _, r := range s.Rules {
			s.keep(ctx, r)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Service) keep(ctx context.Context, r Rule) {
	before := s.Clock.Now().Add(-r.Age)
	all := 0
	for ctx.Err() == nil {
		n, err := r.Purge(ctx, before, part)
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
