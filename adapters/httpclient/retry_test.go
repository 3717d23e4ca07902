package httpclient_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// script answers one request after the other, and records the time and the body of each. The last
// step applies to all further requests.
type script struct {
	steps []func(http.ResponseWriter)
	at    []time.Time
	seen  []string // "POST key body"
}

func (s *script) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	s.at = append(s.at, time.Now())
	s.seen = append(s.seen, strings.TrimSpace(fmt.Sprintf("%s %s %s", req.Method, req.Header.Get("Idempotency-Key"), body)))
	s.steps[min(len(s.at), len(s.steps))-1](w)
}

// waits returns the times between the tries.
func (s *script) waits() (waits []time.Duration) {
	for n := 1; n < len(s.at); n++ {
		waits = append(waits, s.at[n].Sub(s.at[n-1]))
	}
	return waits
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

func later(code int, when string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", when)
		w.WriteHeader(code)
	}
}

func done(w http.ResponseWriter) { _, _ = io.WriteString(w, "{}") }

// gone closes the connection without an answer.
func gone(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func steps(s ...func(http.ResponseWriter)) []func(http.ResponseWriter) { return s }

func TestDoRepeatsWhatIsSafeToRepeat(t *testing.T) {
	keyed := http.Header{"Idempotency-Key": {"k1"}}
	tests := []struct {
		name    string
		steps   []func(http.ResponseWriter)
		refuse  int64 // dials, before the first that works
		options httpclient.Options
		req     httpclient.Request
		want    fault.Kind // of the error; Internal for none
		tries   int
	}{
		{name: "GET on 503", steps: steps(status(503), done), req: httpclient.Request{Method: "GET"}, tries: 2},
		{name: "GET without an answer", steps: steps(gone, done), req: httpclient.Request{}, tries: 2},
		{name: "HEAD", steps: steps(status(500), done), req: httpclient.Request{Method: "HEAD"}, tries: 2},
		{name: "PUT", steps: steps(status(500), gone, done), req: httpclient.Request{Method: "PUT", In: 1}, tries: 3},
		{name: "DELETE", steps: steps(status(500), done), req: httpclient.Request{Method: "DELETE"}, tries: 2},
		{name: "POST without a key on 503", steps: steps(status(503), done), req: httpclient.Request{Method: "POST", In: 1}, want: fault.UnknownOutcome, tries: 1},
		{name: "POST without a key or an answer", steps: steps(gone, done), req: httpclient.Request{Method: "POST", In: 1}, want: fault.UnknownOutcome, tries: 1},
		{name: "PATCH without a key", steps: steps(status(500), done), req: httpclient.Request{Method: "PATCH", In: 1}, want: fault.UnknownOutcome, tries: 1},
		{name: "POST without a key on 429", steps: steps(status(429), done), req: httpclient.Request{Method: "POST", In: 1}, tries: 2},
		{name: "POST without a key that was not written", steps: steps(done), refuse: 2, req: httpclient.Request{Method: "POST", In: 1}, tries: 1},
		{name: "POST without a key that was written at the second try", steps: steps(gone, done), refuse: 1, req: httpclient.Request{Method: "POST", In: 1}, want: fault.UnknownOutcome, tries: 1},
		{name: "POST under a key on 500", steps: steps(status(500), done), req: httpclient.Request{Method: "POST", In: 1, Header: keyed}, tries: 2},
		{name: "POST under a key without an answer", steps: steps(gone, gone, done), req: httpclient.Request{Method: "POST", In: 1, Header: keyed}, tries: 3},
		{name: "an invalid request is not repeated", steps: steps(status(422), done), req: httpclient.Request{}, want: fault.Invalid, tries: 1},
		{name: "a refused request is not repeated", steps: steps(status(403), done), req: httpclient.Request{}, want: fault.Unauthorized, tries: 1},
		{name: "a request for something absent is not repeated", steps: steps(status(404), done), req: httpclient.Request{}, want: fault.NotFound, tries: 1},
		{name: "three tries by default", steps: steps(status(503)), req: httpclient.Request{}, want: fault.UnknownOutcome, tries: 3},
		{name: "as many tries as Attempts says", steps: steps(status(429)), options: httpclient.Options{Attempts: 5}, req: httpclient.Request{}, want: fault.RateLimited, tries: 5},
		{name: "one try if Attempts is 1", steps: steps(status(429)), options: httpclient.Options{Attempts: 1}, req: httpclient.Request{}, want: fault.RateLimited, tries: 1},
		{name: "three tries if Attempts is negative", steps: steps(status(429)), options: httpclient.Options{Attempts: -1}, req: httpclient.Request{}, want: fault.RateLimited, tries: 3},
		{name: "GET with malformed JSON", steps: steps(func(w http.ResponseWriter) { _, _ = io.WriteString(w, "{") }, done), req: httpclient.Request{Out: &struct{}{}}, tries: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{steps: tt.steps}
			virtual(t, tt.options, s.ServeHTTP, func(t *testing.T, c *httpclient.Client, m *memory) {
				m.refuse.Store(tt.refuse)
				err := c.Do(t.Context(), tt.req)
				if len(s.at) != tt.tries || (err == nil) != (tt.want == fault.Internal) || err != nil && !fault.Is(err, tt.want) {
					t.Fatalf("got %d tries, error %v, want %d, kind %v", len(s.at), err, tt.tries, tt.want)
				}
				if same := slices.Compact(slices.Clone(s.seen)); len(same) != 1 {
					t.Fatalf("the tries differ: got %q, want the same request each time", s.seen)
				}
				if tt.req.Header != nil && s.seen[0] != "POST k1 1" {
					t.Fatalf("got %q, want POST k1 1", s.seen[0])
				}
			})
		})
	}
}

// Once a try had an unknown outcome, the failure of the next one proves nothing about it.
func TestLaterTriesDoNotHideAnUnknownOutcome(t *testing.T) {
	keyed := http.Header{"Idempotency-Key": {"k1"}}
	tests := []struct {
		name   string
		steps  []func(http.ResponseWriter)
		refuse bool // every dial after the first
		method string
		want   fault.Kind
	}{
		{"not reached: the outcome stays unknown", steps(gone), true, "POST", fault.UnknownOutcome},
		{"429: the outcome stays unknown", steps(gone, status(429)), false, "POST", fault.UnknownOutcome},
		{"401: the outcome stays unknown", steps(gone, status(401)), false, "PUT", fault.UnknownOutcome},
		{"409: the outcome stays unknown", steps(gone, status(409)), false, "POST", fault.UnknownOutcome},
		{"422: the request is invalid", steps(gone, status(422)), false, "POST", fault.Invalid},
		{"401 of a GET, which has no effect", steps(gone, status(401)), false, "GET", fault.Unauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{}
			virtual(t, httpclient.Options{}, s.ServeHTTP, func(t *testing.T, c *httpclient.Client, m *memory) {
				s.steps = tt.steps
				if tt.refuse {
					s.steps = steps(func(w http.ResponseWriter) { m.refuse.Store(100); gone(w) })
				}
				err := c.Do(t.Context(), httpclient.Request{Method: tt.method, Header: keyed})
				if !fault.Is(err, tt.want) {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestWaitsBetweenTries(t *testing.T) {
	tests := []struct {
		name        string
		after       func() string
		least, most []time.Duration
	}{
		{"without Retry-After they double", func() string { return "" }, []time.Duration{0, 0}, []time.Duration{500 * time.Millisecond, time.Second}},
		{"Retry-After in seconds", func() string { return "20" }, []time.Duration{20 * time.Second, 20 * time.Second}, nil},
		{"Retry-After as a date", func() string { return time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat) }, []time.Duration{20 * time.Second, 20 * time.Second}, nil},
		{"Retry-After of an hour: 30 s", func() string { return "3600" }, []time.Duration{30 * time.Second, 30 * time.Second}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{steps: steps(func(w http.ResponseWriter) { later(429, tt.after())(w) })}
			virtual(t, httpclient.Options{}, s.ServeHTTP, func(t *testing.T, c *httpclient.Client, _ *memory) {
				err := c.Do(t.Context(), httpclient.Request{Method: "POST"})
				if !fault.Is(err, fault.RateLimited) || len(s.at) != 3 {
					t.Fatalf("%d tries, %v, want kind %v, 3 tries", len(s.at), err, fault.RateLimited)
				}
				if tt.most == nil {
					tt.most = tt.least
				}
				for n, wait := range s.waits() {
					if wait < tt.least[n] || wait > tt.most[n] {
						t.Errorf("wait %d is %s, want %s to %s", n+1, wait, tt.least[n], tt.most[n])
					}
				}
			})
		})
	}
}

func TestDoReturnsWhenTheContextEndsDuringAWait(t *testing.T) {
	s := &script{steps: steps(later(503, "20"))}
	virtual(t, httpclient.Options{}, s.ServeHTTP, func(t *testing.T, c *httpclient.Client, _ *memory) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := c.Do(ctx, httpclient.Request{})
		f := fault.From(err)
		if took := time.Since(start); took != 5*time.Second || len(s.at) != 1 || f.Kind != fault.UnknownOutcome || f.RetryAfter != 20*time.Second {
			t.Fatalf("%+v after %s and %d tries, want %v, 1 try, kind %v, retry after %v", f, took, len(s.at), 5*time.Second, fault.UnknownOutcome, 20*time.Second)
		}
	})
}

// A known outcome is returned even if the caller has given up.
func TestDoReturnsTheEarlierErrorWhenTheContextEndsDuringATry(t *testing.T) {
	s := &script{steps: steps(func(w http.ResponseWriter) {
		w.Header().Set("Connection", "close") // so that the second try dials
		later(429, "7")(w)
	})}
	m := newMemory()
	virtual(t, httpclient.Options{}, s.ServeHTTP, func(t *testing.T, _ *httpclient.Client, server *memory) {
		ctx, cancel := context.WithCancel(t.Context())
		dials := 0
		c := client(t, httpclient.Options{BaseURL: "http://api.test"}.Over(func(dctx context.Context, network, address string) (net.Conn, error) {
			if dials++; dials > 1 {
				cancel()
				return m.Dial(dctx, network, address) // which nobody accepts
			}
			return server.Dial(dctx, network, address)
		}))
		start := time.Now()
		err := c.Do(ctx, httpclient.Request{})
		if f := fault.From(err); f.Kind != fault.RateLimited || time.Since(start) != 7*time.Second {
			t.Errorf("%+v after %s, want kind %v, after %v", f, time.Since(start), fault.RateLimited, 7*time.Second)
		}
		_ = m.Close()
	})
}

func TestDoDoesNotDialIfTheContextHasEnded(t *testing.T) {
	s := &script{steps: steps(done)}
	virtual(t, httpclient.Options{}, s.ServeHTTP, func(t *testing.T, c *httpclient.Client, m *memory) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Do(ctx, httpclient.Request{}); !fault.Is(err, fault.Canceled) || m.dials.Load() != 0 {
			t.Fatalf("%v after %d dials, want kind %v, dials 0", err, m.dials.Load(), fault.Canceled)
		}
	})
}

func TestWaitIsBounded(t *testing.T) {
	edges := []time.Duration{math.MinInt64, -1, 0, 1, time.Millisecond, time.Second, 40 * time.Second, time.Hour, 1 << 61, math.MaxInt64}
	attempts := []int{math.MinInt, -1, 0, 1, 2, 3, 10, 31, 32, 33, 63, 64, 65, 1000}
	for range 20_000 {
		pick := func() time.Duration { return edges[rand.IntN(len(edges))] }
		attempt, initial, most, after := attempts[rand.IntN(len(attempts))], pick(), pick(), pick()
		wait := httpclient.Wait(attempt, initial, most, after)
		asked := min(max(after, 0), httpclient.LongestWait)
		if wait < asked || wait > max(most, 0) && wait != asked {
			t.Fatalf("Wait(%d, %s, %s, %s) = %s, want at least what was asked and at most the longest", attempt, initial, most, after, wait)
		}
		if attempt <= 1 && wait > max(initial, 0) && wait != asked {
			t.Fatalf("the first wait: got %s, want at most %s", wait, initial)
		}
	}
}

func TestWaitDoublesAndSpreads(t *testing.T) {
	for attempt, most := range []time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 5 * time.Second, 40: 5 * time.Second} {
		if most == 0 {
			continue
		}
		low, high := most, time.Duration(0)
		for range 2000 {
			wait := httpclient.Wait(attempt, time.Second, 5*time.Second, 0)
			low, high = min(low, wait), max(high, wait)
		}
		// The probability that 2,000 of them leave out a twentieth of the range is 10^-44.
		if low > most/20 || high < most-most/20 || high > most {
			t.Errorf("try %d waits %s to %s, want 0 to %s", attempt, low, high, most)
		}
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, value string
		want        time.Duration
	}{
		{"seconds", "120", 2 * time.Minute},
		{"none", "0", 0},
		{"with blanks", " 5\t", 5 * time.Second},
		{"a day", "86400", 24 * time.Hour},
		{"more than a day", "86401", 24 * time.Hour},
		{"more than an int64 holds", "99999999999999999999", 24 * time.Hour},
		{"more seconds than a Duration holds", "9223372036854775807", 24 * time.Hour},
		{"a date", "Sun, 01 Mar 2026 12:00:30 GMT", 30 * time.Second},
		{"a date of RFC 850", "Sunday, 01-Mar-26 12:00:30 GMT", 30 * time.Second},
		{"a date of asctime", "Sun Mar  1 12:00:30 2026", 30 * time.Second},
		{"a date that is past", "Sun, 01 Mar 2026 11:59:59 GMT", 0},
		{"a date that is far", "Fri, 01 Mar 9999 12:00:00 GMT", 24 * time.Hour},
		{"nothing", "", 0},
		{"negative", "-5", 0},
		{"a sign", "+5", 0},
		{"a fraction", "1.5", 0},
		{"words", "soon", 0},
		{"a unit", "5s", 0},
		{"two", "5, 6", 0},
		{"other digits", "٥", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := httpclient.ParseRetryAfter(tt.value, noon); got != tt.want {
				t.Fatalf("ParseRetryAfter(%q) = %s, want %s", tt.value, got, tt.want)
			}
		})
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "99999999999999999999", "Sun, 01 Mar 2026 12:00:30 GMT", "Sunday, 01-Mar-26 12:00:30 GMT", "Sun Mar  1 12:00:30 2026"} {
		f.Add(seed, int64(0))
	}
	f.Fuzz(func(t *testing.T, value string, shift int64) {
		now := noon.Add(time.Duration(shift))
		got := httpclient.ParseRetryAfter(value, now)
		if got < 0 || got > httpclient.LongestRetryAfter {
			t.Fatalf("%q: got %s, want at least 0, at most %v", value, got, httpclient.LongestRetryAfter)
		}
		if again := httpclient.ParseRetryAfter(" "+value+" ", now); again != got {
			t.Fatalf("%q with blanks: got %s, want %s", value, again, got)
		}
		// Later, a date demands no further wait, and a number demands the same.
		if after := httpclient.ParseRetryAfter(value, now.Add(time.Second)); after > got {
			t.Fatalf("%q a second later: got %s, want at most %s", value, after, got)
		}
	})
}
