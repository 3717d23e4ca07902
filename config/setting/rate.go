package setting

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Rate is a number in each second, minute, hour or day, such as 100/h. The empty Rate, written as off,
// means any number.
type Rate string

const maxRate = 1_000_000_000

var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day}

// String returns the rate as it is written in the configuration.
func (r Rate) String() string {
	if r == "" {
		return "off"
	}
	return string(r)
}

// Split returns the number and the length of its time. They are 0 for the empty Rate.
func (r Rate) Split() (n int, per time.Duration) {
	number, unit, _ := strings.Cut(string(r), "/")
	n, _ = strconv.Atoi(number)
	return n, units[unit]
}

var errRate = errors.New("is not a rate; write for example 100/h, with s, m, h or d, or off")

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*r = ""
		return nil
	}
	number, unit, _ := strings.Cut(string(text), "/")
	if n, err := strconv.Atoi(number); err != nil || n < 1 || n > maxRate || units[unit] == 0 {
		return errRate
	}
	*r = Rate(text)
	return nil
}

// Date is a day of UTC, such as 2026-12-01. The empty Date is none.
type Date string

// Begins returns when the day begins, the zero time for no day.
func (d Date) Begins() time.Time {
	at, _ := time.Parse(time.DateOnly, string(d))
	return at
}

var errDate = errors.New("is not a day; write for example 2026-12-01")

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(text []byte) error {
	if _, err := time.Parse(time.DateOnly, string(text)); err != nil && len(text) > 0 {
		return errDate
	}
	*d = Date(text)
	return nil
}
