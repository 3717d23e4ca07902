package ports

import (
	"context"
	"time"
)

// grace is how long an answer may be late for the sake of being a better one.
const grace = time.Second

// Grace is a second more than a caller gave, of its own also where the caller's time
// is up: for looking what became of a write whose answer was lost, and for reading
// from what stands in.
func Grace(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), grace)
}
