package idempotency_test

import (
	"encoding/json"
	"testing"
	"time"

	"patchbay/core/idempotency"
)

var used = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// life processes a record whenever it is due by the store's clock, which is off by skew, and
// returns how long its key is kept and how often it was processed.
func life(t *testing.T, from time.Time, skew func(now time.Time) time.Duration) (kept time.Duration, times int) {
	t.Helper()
	var age idempotency.Age
	until := from.Add(idempotency.Kept)
	for now := used; now.Before(used.Add(1000 * time.Hour)); now = now.Add(time.Minute) {
		shown := now.Add(skew(now))
		if shown.Before(age.Due(until)) {
			continue
		}
		times++
		if age.Count(until, shown) {
			return now.Sub(used), times
		}
		raw, err := json.Marshal(age)
		if err != nil {
			t.Fatal(err)
		}
		age = idempotency.Age{}
		if err := json.Unmarshal(raw, &age); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("got a record without an age, want one: it would be kept forever")
	return 0, 0
}

func TestAKeyIsKeptForItsTimeAndLosesOneStepAtMostByAWrongClock(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	right := func(time.Time) time.Duration { return 0 }
	// while returns a clock that is off from one time after the use of the key to another.
	while := func(from, to, by time.Duration) func(time.Time) time.Duration {
		return func(now time.Time) time.Duration {
			if age := now.Sub(used); age >= from && age < to {
				return by
			}
			return 0
		}
	}
	for name, tt := range map[string]struct {
		from        time.Time
		skew        func(time.Time) time.Duration
		least, most time.Duration
	}{
		"clocks that agree":                          {used, right, idempotency.Kept, idempotency.Kept},
		"80 hours behind when it was used":           {used.Add(-80 * time.Hour), right, idempotency.Kept - day, idempotency.Kept - day},
		"a year behind when it was used":             {used.Add(-365 * day), right, idempotency.Kept - day, idempotency.Kept - day},
		"80 hours ahead when it was used":            {used.Add(80 * time.Hour), right, idempotency.Kept, idempotency.Kept + 80*time.Hour},
		"80 hours ahead for two minutes at once":     {used, while(time.Minute, 3*time.Minute, 80*time.Hour), idempotency.Kept - day, idempotency.Kept + 80*time.Hour},
		"80 hours ahead for two minutes later":       {used, while(day+time.Hour, day+time.Hour+2*time.Minute, 80*time.Hour), idempotency.Kept - day, idempotency.Kept + 80*time.Hour},
		"80 hours ahead, and so for good":            {used, while(time.Minute, 10_000*time.Hour, 80*time.Hour), idempotency.Kept - day, idempotency.Kept - day + 2*time.Minute},
		"80 hours behind for a day":                  {used, while(time.Hour, 25*time.Hour, -80*time.Hour), idempotency.Kept - day, idempotency.Kept + day},
		"80 hours apart for good, the store's ahead": {used, while(0, 10_000*time.Hour, 80*time.Hour), idempotency.Kept - day, idempotency.Kept},
		"80 hours apart for good, the store behind":  {used, while(0, 10_000*time.Hour, -80*time.Hour), idempotency.Kept, idempotency.Kept + 80*time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept, times := life(t, tt.from, tt.skew)
			if kept < tt.least || kept > tt.most {
				t.Errorf("kept for %s, want %s to %s", kept, tt.least, tt.most)
			}
			if times != 3 {
				t.Errorf("it came up %d times, want 3", times)
			}
		})
	}
}

// A key that is used again is kept from then on, whatever was counted before.
func TestAKeyThatIsUsedAgainIsKeptForItsWholeTime(t *testing.T) {
	t.Parallel()
	var age idempotency.Age
	until := used.Add(idempotency.Kept)
	for i := range 2 {
		if age.Count(until, used.Add(time.Duration(i+1)*24*time.Hour)) {
			t.Fatalf("got the key given up at step %d, want it kept", i+1)
		}
	}
	until = until.Add(50 * time.Hour)
	if due := age.Due(until); !due.Equal(used.Add(74 * time.Hour)) {
		t.Errorf("the next step is due at %s, want %v", due, used.Add(74*time.Hour))
	}
	for i := range 2 {
		if age.Count(until, used.Add(time.Duration(i+4)*24*time.Hour)) {
			t.Fatalf("got the key given up at step %d after it was used again, want it kept", i+1)
		}
	}
	if !age.Count(until, used.Add(6*24*time.Hour)) {
		t.Error("got the key kept beyond its time, want it given up")
	}
}

// Processing the record for another reason counts nothing.
func TestNoStepIsCountedBeforeItIsOver(t *testing.T) {
	t.Parallel()
	var age idempotency.Age
	until := used.Add(idempotency.Kept)
	for now := used; now.Before(used.Add(72 * time.Hour)); now = now.Add(time.Hour) {
		if age.Count(until, now) {
			t.Fatalf("got the key given up after %s, want it kept", now.Sub(used))
		}
	}
	if !age.Count(until, used.Add(72*time.Hour)) {
		t.Errorf("got %d steps after 72 hours, want the key given up", age.Steps)
	}
}
