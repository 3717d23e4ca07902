package idem

import "time"

// The time of a key is counted in steps.
const (
	steps = 3
	step  = Kept / steps
)

// Age is how much of the time of a key has been counted. What rests with the key counts one
// step whenever it comes up, by the clock of its store, and comes up again a step later. So
// a clock that is wrong, for a while or when the key was used, costs one step at most, where
// a single comparison would give the key up.
//
// Nothing is counted in the zero Age. What an earlier version has left has that.
type Age struct {
	From  time.Time `json:"from,omitzero"`   // since when the key is kept, by the clock of whoever used it
	Steps int       `json:"steps,omitempty"` // that are over
	At    time.Time `json:"at,omitzero"`     // when the last was counted, by the store's clock
}

// Due is when the next step is over of a key that is kept until a time.
func (a Age) Due(until time.Time) time.Time { return a.of(until).At.Add(step) }

// Count counts a step of a key that is kept until a time, where one is over by the store's
// clock, and reports whether the key is to be given up.
func (a *Age) Count(until, now time.Time) (over bool) {
	*a = a.of(until)
	if !now.Before(a.At.Add(step)) {
		a.Steps, a.At = a.Steps+1, now
	}
	return a.Steps >= steps
}

// of is the age of a key that is kept until a time: another time is that of another use,
// of which nothing is counted yet.
func (a Age) of(until time.Time) Age {
	from := until.Add(-Kept)
	if a.From.Equal(from) {
		return a
	}
	return Age{From: from, At: from}
}
