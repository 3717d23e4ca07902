package ports_test

import (
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

// alone is a provider that is left alone for so long, or not.
type alone time.Duration

func (a alone) Available() error {
	if a == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Unavailable, RetryAfter: time.Duration(a)}
}

func TestWaitIsForTheFirstThatIsBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		providers []any
		want      time.Duration
	}{
		{"nobody", nil, 0},
		{"one", []any{alone(27 * time.Second)}, 27 * time.Second},
		{"the sooner of two", []any{alone(5 * time.Minute), alone(27 * time.Second)}, 27 * time.Second},
		{"the sooner of two, named first", []any{alone(27 * time.Second), alone(5 * time.Minute)}, 27 * time.Second},
		{"one is there", []any{alone(27 * time.Second), alone(0)}, 0},
		{"one cannot tell", []any{alone(27 * time.Second), struct{}{}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ports.Wait(c.providers); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
