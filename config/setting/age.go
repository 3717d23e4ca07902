package setting

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Age is how long something is kept: a duration, which may be whole days such as 90d. 0,
// written as off, means for ever.
type Age time.Duration

const (
	day     = 24 * time.Hour
	maxDays = 36500
)

// String returns the age as it is written in the configuration.
func (a Age) String() string {
	switch d := time.Duration(a); {
	case d == 0:
		return "off"
	case d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	default:
		return d.String()
	}
}

var errAge = errors.New("is not an age; write for example 90d or 72h, or off")

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Age) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*a = 0
		return nil
	}
	if number, ok := strings.CutSuffix(string(text), "d"); ok {
		days, err := strconv.Atoi(number)
		if err != nil || days < 1 || days > maxDays {
			return errAge
		}
		*a = Age(time.Duration(days) * day)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return errAge
	}
	*a = Age(d)
	return nil
}
