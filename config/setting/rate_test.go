package setting_test

import (
	"testing"
	"time"

	"patchbay/config/setting"
)

func TestRatesAreRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		n    int
		per  time.Duration
		ok   bool
	}{
		{"100/h", 100, time.Hour, true},
		{"10/s", 10, time.Second, true},
		{"1/m", 1, time.Minute, true},
		{"50/d", 50, 24 * time.Hour, true},
		{"off", 0, 0, true},
		{"", 0, 0, false},
		{"100", 0, 0, false},
		{"0/h", 0, 0, false},
		{"-1/h", 0, 0, false},
		{"10/w", 0, 0, false},
		{"1.5/h", 0, 0, false},
		{"10/h/h", 0, 0, false},
		{"2000000000/s", 0, 0, false},
	} {
		var r setting.Rate
		err := r.UnmarshalText([]byte(tt.text))
		if n, per := r.Split(); (err == nil) != tt.ok || n != tt.n || per != tt.per {
			t.Errorf("%q = %d in %s, %v; want %d in %s, read: %t", tt.text, n, per, err, tt.n, tt.per, tt.ok)
		}
		if tt.ok && r.String() != tt.text {
			t.Errorf("%q is written %q, want it unchanged", tt.text, r)
		}
	}
}

func TestDatesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{"2026-12-01": time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), "": {}} {
		var d setting.Date
		if err := d.UnmarshalText([]byte(text)); err != nil || !d.Begins().Equal(want) {
			t.Errorf("%q begins %s, %v; want %s", text, d.Begins(), err, want)
		}
	}
	for _, text := range []string{"tomorrow", "2026-13-01", "01.12.2026", "2026-12-01T00:00:00Z"} {
		var d setting.Date
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %q, want an error", text, d)
		}
	}
}
