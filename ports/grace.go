package ports

import (
	"context"
	"time"
)

// grace is how long a response may be delayed to make it a better one.
const grace = time.Second

// Grace returns a context that ends in one second, even if ctx has ended. It is used to look up
// the outcome of a write whose response was lost, and to read from a fallback.
func Grace(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), grace)
}
