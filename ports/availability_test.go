package ports_test

import (
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

// after is a provider that is available after a time, or now.
type after time.Duration

func (a after) Available() error {
	if a == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Unavailable, RetryAfter: time.Duration(a)}
}

func TestWaitIsTheTimeUntilTheFirstProviderIsAvailable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		providers []any
		want      time.Duration
	}{
		{"no provider", nil, 0},
		{"one provider", []any{after(27 * time.Second)}, 27 * time.Second},
		{"two, the second available first", []any{after(5 * time.Minute), after(27 * time.Second)}, 27 * time.Second},
		{"two, the first available first", []any{after(27 * time.Second), after(5 * time.Minute)}, 27 * time.Second},
		{"two, one available now", []any{after(27 * time.Second), after(0)}, 0},
		{"two, one without Available", []any{after(27 * time.Second), struct{}{}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ports.Wait(c.providers); got != c.want {
				t.Errorf("Wait = %s, want %s", got, c.want)
			}
		})
	}
}
