package config_test

import (
	"testing"
	"time"
)

func TestAnAgeIsADurationOrDaysOrOff(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]time.Duration{
		"90d": 90 * 24 * time.Hour, "3d": 72 * time.Hour, "100h": 100 * time.Hour, "36500d": 36500 * 24 * time.Hour, "off": 0,
	} {
		c, err := load(t, "storage: {retention: "+written+"}")
		if err != nil {
			t.Errorf("%s: error = %v, want none", written, err)
			continue
		}
		got := c.Storage.Retention
		if time.Duration(got) != want {
			t.Errorf("%s = %s, want %s", written, time.Duration(got), want)
		}
		if again, err := load(t, "storage: {retention: "+got.String()+"}"); err != nil || again.Storage.Retention != got {
			t.Errorf("%s is written as %s, which is read as %v (%v), want the same value", written, got, again, err)
		}
	}
	for _, written := range []string{"0", "0d", "-1d", "1.5d", "d", "36501d", "99999999999999999999d", "0s", "-90h", "for ever", "''"} {
		mistake{written, "storage: {retention: " + written + "}", []string{
			`file:1: storage.retention: "` + unquoted(written) + `" is not an age; write for example 90d or 72h, or off`,
		}}.check(t)
	}
}

func unquoted(s string) string {
	if s == "''" {
		return ""
	}
	return s
}
