package idempotency

import "time"

// The time of a key is counted in steps.
const (
	steps = 3
	step  = Kept / steps
)

// Age is how much of a key's time has passed. A record with a key is claimed once per step,
// by the clock of its store, and each claim counts one step. So a clock that is wrong,
// temporarily or when the key was used, costs at most one step. A single comparison of times
// would remove the key.
//
// The zero Age has no steps counted. Records of an earlier version have it.
type Age struct {
	From  time.Time `json:"from,omitzero"`   // start of the key's time, by the clock of the process that used it
	Steps int       `json:"steps,omitempty"` // steps that have passed
	At    time.Time `json:"at,omitzero"`     // when the last step was counted, by the store's clock
}

// Due returns when the next step ends for a key that is kept until the given time.
func (a Age) Due(until time.Time) time.Time { return a.of(until).At.Add(step) }

// Count counts a step of a key that is kept until the given time, if a step has ended by the
// store's clock. It reports whether the key has expired.
func (a *Age) Count(until, now time.Time) (over bool) {
	*a = a.of(until)
	if !now.Before(a.At.Add(step)) {
		a.Steps, a.At = a.Steps+1, now
	}
	return a.Steps >= steps
}

// of returns the age of a key that is kept until the given time. A different time belongs to
// another use of the key, of which nothing is counted yet.
func (a Age) of(until time.Time) Age {
	from := until.Add(-Kept)
	if a.From.Equal(from) {
		return a
	}
	return Age{From: from, At: from}
}
