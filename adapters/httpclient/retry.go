package httpclient

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// longest is the longest Retry-After that is believed.
	longest = 24 * time.Hour
	// longestWait is how long it is heeded while a caller waits.
	longestWait = 30 * time.Second
)

// Wait is the time between one try and the next: a random part of a backoff that
// doubles from initial up to most, and no less than the answer asked for.
// attempt counts the tries so far, from 1.
func Wait(attempt int, initial, most, retryAfter time.Duration) time.Duration {
	backoff := min(max(initial, 0), max(most, 0))
	for ; attempt > 1 && 0 < backoff && backoff < most; attempt-- {
		backoff = min(2*backoff, most)
		if backoff < 0 { // beyond what a Duration holds
			backoff = most
		}
	}
	spread := time.Duration(rand.Float64() * float64(backoff)) //nolint:gosec // jitter is no secret
	return max(min(spread, backoff), min(retryAfter, longestWait))
}

// ParseRetryAfter reads a Retry-After, in seconds or as a date (RFC 9110
// §10.2.3). It is 0 for what cannot be read or is past, and never more than a
// day.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil { // more than an int64 holds
			return longest
		}
		return time.Duration(min(seconds, int64(longest/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longest)
}
