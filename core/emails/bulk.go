package emails

import (
	"context"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
)

const (
	// MaxRetried is how many messages one call of RetryAll retries at most.
	MaxRetried = 100
	// maxExamined is how many messages with the status one call reads at most.
	maxExamined = 1000
)

// RetrySet selects messages to be retried. It names one status: what may have been sent is retried only if
// that is what the caller asks for.
type RetrySet struct {
	Status email.Status // Failed, Unknown or Suppressed
	// Since and Before bound when the messages were accepted: not earlier than Since, and earlier than
	// Before. The zero time bounds nothing.
	Since, Before time.Time
	// Provider and Code are those of the last attempt; empty for any.
	Provider, Code string
}

// RetriedSet says what became of some of a RetrySet.
type RetriedSet struct {
	Retried int // messages that are queued again
	Skipped int // messages that cannot be retried: they were erased, purged, have expired or changed meanwhile
	// Next continues with those that were not looked at yet; it is empty if there are none.
	Next string
}

// has reports whether a message of the status and the dates belongs to the set.
func (r RetrySet) has(m *email.Message) bool {
	last := m.LastAttempt()
	return (r.Provider == "" || last.Provider == r.Provider) && (r.Code == "" || last.Code == r.Code)
}

// RetryAll retries messages of a set, the newest first, up to limit of them, each as Retry does. A call may
// end before, with Next. What is retried has left the set, so that a repeated call retries nothing twice.
//
// Invalid; Unavailable; UnknownOutcome: some may have been retried, and a repeat goes on.
func (s *Service) RetryAll(ctx context.Context, tenant string, set RetrySet, cursor string, limit int) (done RetriedSet, err error) {
	if !slices.Contains(retryable, set.Status) {
		return done, fault.InvalidParam("status", "invalid_status", "status must be failed, unknown or suppressed")
	}
	if limit < 1 || limit > MaxRetried {
		return done, fault.InvalidParam("limit", "invalid_limit", "limit must be 1 to 100")
	}
	for examined := 0; done.Retried < limit && examined < maxExamined; {
		page, err := s.List(ctx, tenant, Filter{Status: set.Status, From: set.Since, Before: set.Before}, cursor, limit-done.Retried)
		if err != nil {
			return done, err
		}
		for _, m := range page.Messages {
			if !set.has(&m) {
				continue
			}
			switch _, err := s.retry(ctx, tenant, m.ID, set.Status); {
			case err == nil:
				done.Retried++
			case fault.Is(err, fault.Conflict), fault.Is(err, fault.NotFound):
				done.Skipped++
			default:
				return done, err
			}
		}
		cursor, examined = page.Next, examined+len(page.Messages)
		if cursor == "" {
			return done, nil
		}
	}
	done.Next = cursor
	return done, nil
}
