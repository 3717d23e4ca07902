package config

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

func parseAge(text string) (Age, error) {
	if text == "off" {
		return 0, nil
	}
	if number, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.Atoi(number)
		if err != nil || days < 1 || days > maxDays {
			return 0, errors.New("not so many days")
		}
		return Age(time.Duration(days) * day), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errors.New("not a duration")
	}
	return Age(d), nil
}
