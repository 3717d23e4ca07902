package httpclient

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// longest is the longest Retry-After that is accepted.
	longest = 24 * time.Hour
	// longestWait is the longest Retry-After that is waited for while a caller waits.
	longestWait = 30 * time.Second
)

// Wait returns the time between one attempt and the next: a random part of a backoff that
// doubles from initial up to most, and at least what the response asked for. attempt counts
// the attempts so far, from 1.
func Wait(attempt int, initial, most, retryAfter time.Duration) time.Duration {
	backoff := min(max(initial, 0), max(most, 0))
	for ; attempt > 1 && 0 < backoff && backoff < most; attempt-- {
		backoff = min(2*backoff, most)
		if backoff < 0 { // overflow of Duration
			backoff = most
		}
	}
	spread := time.Duration(rand.Float64() * float64(backoff)) //nolint:gosec // jitter is no secret
	return max(min(spread, backoff), min(retryAfter, longestWait))
}

// ParseRetryAfter parses a Retry-After, in seconds or as a date (RFC 9110 §10.2.3). It
// returns 0 for a value that is invalid or in the past, and at most a day.
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
