package ports

import (
	"context"
	"time"
)

type retriesEndKey struct{}

// WithRetriesEnd sets a time from which on a call is not tried again, whatever its policy allows: what was
// checked before the call holds until then alone.
func WithRetriesEnd(ctx context.Context, end time.Time) context.Context {
	return context.WithValue(ctx, retriesEndKey{}, end)
}

// RetriesEnd returns the time from which on a call is not tried again. ok is false if none was set.
func RetriesEnd(ctx context.Context) (end time.Time, ok bool) {
	end, ok = ctx.Value(retriesEndKey{}).(time.Time)
	return end, ok
}
