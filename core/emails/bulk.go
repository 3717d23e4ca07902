package emails

import (
	"context"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

const (
	// MaxRetried is how many messages one call of RetryAll retries at most.
	MaxRetried = 100
	// maxExamined is how many messages with the status one call reads at most.
	maxExamined = 1000
	pageSize    = 100 // messages that it reads at once
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
// end before, with Next. What is retried has left the set, and what others have retried since it was listed is
// skipped, so that nothing is sent more often than somebody decided.
//
// Invalid; Unavailable or UnknownOutcome: nothing was retried, but for one message that may have been. An error
// after others were retried ends the call as its limit does: Next begins with the message that it is about.
func (s *Service) RetryAll(ctx context.Context, tenant string, set RetrySet, cursor string, limit int) (RetriedSet, error) {
	if !slices.Contains(retryable, set.Status) {
		return RetriedSet{}, fault.InvalidParam("status", "invalid_status", "status must be failed, unknown or suppressed")
	}
	if limit < 1 || limit > MaxRetried {
		return RetriedSet{}, fault.InvalidParam("limit", "invalid_limit", "limit must be 1 to 100")
	}
	done := RetriedSet{Next: cursor}
	for examined := 0; examined < maxExamined; {
		page, err := s.List(ctx, tenant, Filter{Status: set.Status, From: set.Since, Before: set.Before}, done.Next, pageSize)
		looked := 0
		if err == nil {
			looked, err = s.retryPage(ctx, tenant, set, page.Messages, limit, &done)
		}
		switch {
		case err != nil && done.Retried+done.Skipped == 0:
			return RetriedSet{}, err
		case err != nil:
			s.Log.WarnContext(ctx, "some emails of a set are not retried", "tenant", tenant, "count", done.Retried, "error", err)
			return done, nil
		case looked < len(page.Messages): // the limit is reached
			return done, nil
		}
		done.Next, examined = page.Next, examined+looked
		if done.Next == "" || done.Retried == limit {
			break
		}
	}
	return done, nil
}

// retryPage retries messages of a page of a list until limit are done, and moves Next past them. It returns at
// how many it has looked.
func (s *Service) retryPage(ctx context.Context, tenant string, set RetrySet, page []email.Message, limit int, done *RetriedSet) (looked int, err error) {
	for i := range page {
		m := &page[i]
		if done.Retried == limit {
			return i, nil
		}
		if set.has(m) {
			switch _, err := s.retry(ctx, tenant, m.ID, m); {
			case err == nil:
				done.Retried++
			case fault.Is(err, fault.Conflict), fault.Is(err, fault.NotFound):
				done.Skipped++
			default:
				return i, err
			}
		}
		done.Next = ports.CursorAt(m.CreatedAt, m.ID).String()
	}
	return len(page), nil
}
