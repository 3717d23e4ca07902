package logging_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/tests/testlog"
)

// page is a log that a test reads.
type page struct{ testlog.Buffer }

// lines returns what was written since the last call, without the time.
func (p *page) lines() []string {
	text := strings.TrimSpace(p.Take())
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func newLog(level slog.Level, secrets ...string) (logging.Log, *page) {
	p := &page{}
	handler := slog.NewTextHandler(p, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	return logging.New(handler, secrets...), p
}

var errDown = &fault.Error{
	Kind: fault.Unavailable, Op: "pgstore.claim", Provider: "postgres", Err: errors.New("connection refused"),
}

// watched runs a test with one operation that may be down, on virtual time.
func watched(t *testing.T, test func(t *testing.T, log logging.Log, o *logging.Outage, p *page)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, p := newLog(slog.LevelInfo)
		test(t, log, log.Outages.Of("database", "postgres", "payments are refused"), p)
	})
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAnOutageIsLoggedWhenItBeginsEachMinuteAndWhenItEnds(t *testing.T) {
	watched(t, func(t *testing.T, _ logging.Log, o *logging.Outage, p *page) {
		o.Failed("claim", errDown)
		for i := range 160 {
			after(700 * time.Millisecond)
			o.Failed("claim", fmt.Errorf("try %d: %w", i, errDown))
		}
		o.Passed()
		after(time.Second)
		o.Worked("claim")
		after(time.Minute)
		want(t, p.lines(),
			`level=ERROR msg="outage began" of=database provider=postgres error="pgstore.claim: unavailable: connection refused" kind=unavailable effect="payments are refused"`,
			`level=WARN msg="outage goes on" of=database provider=postgres for=1m1s failed=88 error="try 86: pgstore.claim: unavailable: connection refused" kind=unavailable`,
			`level=INFO msg="outage ended" of=database provider=postgres for=1m53s failed=161 passed_over=1`,
		)
	})
}

func TestIsolatedFailuresAreNoOutage(t *testing.T) {
	watched(t, func(t *testing.T, _ logging.Log, o *logging.Outage, p *page) {
		for range 100 {
			o.Failed("claim", errDown)
			o.Failed("claim", errDown)
			after(time.Second)
			o.Worked("claim")
		}
		after(time.Hour)
		want(t, p.lines())
	})
}

// An operation that fails each time is down, even if others succeed; and an operation that is
// rarely called says nothing about the others.
func TestOneKindOfCallThatFailsIsAnOutage(t *testing.T) {
	watched(t, func(t *testing.T, _ logging.Log, o *logging.Outage, p *page) {
		for range 60 {
			o.Worked("claim")
			o.Failed("user", errDown)
			after(time.Second)
		}
		o.Worked("user")
		after(time.Minute)
		got := p.lines()
		if len(got) != 3 || !strings.Contains(got[0], "outage began") || !strings.Contains(got[2], "for=1m0s") {
			t.Errorf("got %s, want 3 entries, \"outage began\" in it, \"for=1m0s\" in it", strings.Join(got, "\n"))
		}
		for range 10 {
			o.Failed("purge", errDown)
			after(time.Hour)
			o.Worked("claim")
		}
		want(t, p.lines())
	})
}

// An operation that succeeds now and then is not up.
func TestAFlappingProviderIsOneOutage(t *testing.T) {
	watched(t, func(t *testing.T, _ logging.Log, o *logging.Outage, p *page) {
		for range 90 {
			for range 3 {
				o.Failed("claim", errDown)
			}
			o.Worked("claim")
			after(time.Second)
		}
		after(time.Minute)
		got := p.lines()
		if len(got) != 3 || !strings.Contains(got[2], "outage ended") || !strings.Contains(got[2], "for=1m29s") {
			t.Errorf("got %s, want 3 entries, \"outage ended\" in it, \"for=1m29s\" in it", strings.Join(got, "\n"))
		}
	})
}

func TestOneRefusedCredentialIsAnOutage(t *testing.T) {
	watched(t, func(t *testing.T, log logging.Log, _ *logging.Outage, p *page) {
		o := log.Outages.Of("payments", "stripe", "")
		o.Failed("claim", &fault.Error{Kind: fault.Unauthorized, Provider: "stripe", Code: "provider_misconfigured", Message: "the key is refused", Answer: &fault.Answer{Status: 401}})
		want(t, p.lines(),
			`level=ERROR msg="outage began" of=payments provider=stripe error="unauthorized (provider_misconfigured): the key is refused" kind=unauthorized code=provider_misconfigured status=401`)
	})
}

// A provider that comes back with another key is down as before, but waiting does not help any more.
func TestACauseThatNeedsAPersonIsAnErrorOnceAlsoInTheMiddleOfAnOutage(t *testing.T) {
	watched(t, func(t *testing.T, _ logging.Log, o *logging.Outage, p *page) {
		refused := &fault.Error{Kind: fault.Unauthorized, Code: "provider_misconfigured", Answer: &fault.Answer{Status: 401}}
		for range 3 {
			o.Failed("claim", errDown)
		}
		p.lines()
		after(30 * time.Second)
		o.Failed("claim", refused)
		o.Failed("claim", refused)
		after(31 * time.Second)
		want(t, p.lines(),
			`level=ERROR msg="outage needs a person" of=database provider=postgres error="unauthorized (provider_misconfigured)" kind=unauthorized code=provider_misconfigured status=401`,
			`level=WARN msg="outage goes on" of=database provider=postgres for=1m0s failed=5 error="unauthorized (provider_misconfigured)" kind=unauthorized code=provider_misconfigured status=401`,
		)
		o.Worked("claim")
		after(2 * time.Minute)
		p.lines()
		for range 3 {
			o.Failed("claim", errDown)
		}
		o.Failed("claim", refused)
		if got := p.lines(); len(got) != 2 || !strings.Contains(got[1], "outage needs a person") {
			t.Errorf("lines of the next outage = %s, want its beginning and that it needs a person", strings.Join(got, "\n"))
		}
		o.Worked("claim")
		after(2 * time.Minute)
	})
}

// A provider that is skipped is down also while nobody calls it; and a probe that succeeds does
// not end the outage.
func TestDownLastsUntilUp(t *testing.T) {
	watched(t, func(t *testing.T, _ logging.Log, o *logging.Outage, p *page) {
		o.Down(errDown)
		o.Worked("claim")
		after(10 * time.Minute)
		if got := p.lines(); len(got) != 1 {
			t.Errorf("nobody asks, and nothing is to be told: got %q, want 1 entry", got)
		}
		o.Up()
		after(10 * time.Second)
		want(t, p.lines(), `level=INFO msg="outage ended" of=database provider=postgres for=10m0s failed=0`)
		o.Down(errDown)
		if got := p.lines(); len(got) != 1 || !strings.Contains(got[0], "outage began") {
			t.Errorf("the next: got %q, want 1 entry, \"outage began\" in it", got)
		}
	})
}

func TestLinesCausedByAnOutageAreFolded(t *testing.T) {
	watched(t, func(t *testing.T, log logging.Log, o *logging.Outage, p *page) {
		o.Down(errDown)
		p.lines()
		for i := range 100 {
			log.Warn("queue is not served", "queue", "mail", "error", errDown)
			log.Error("outcome of a payment is not saved", "payment", fmt.Sprint("pay_", i), "error", fmt.Errorf("save: %w", errors.Join(errors.New("x"), errDown)))
			log.Warn("payment is refused", "payment", "pay_1", "error", fault.New(fault.Declined, "card_declined", "no"))
		}
		counts := map[string]int{}
		for _, line := range p.lines() {
			for _, words := range []string{"queue is not served", "is not saved", "payment is refused"} {
				if strings.Contains(line, words) {
					counts[words]++
				}
			}
		}
		if fmt.Sprint(counts) != "map[is not saved:3 payment is refused:100]" {
			t.Errorf("got %v, want \"map[is not saved:3 payment is refused:100]\"", counts)
		}
		o.Failed("claim", errDown)
		after(time.Minute)
		if got := p.lines(); len(got) != 1 || !strings.Contains(got[0], "folded=197") {
			t.Errorf("what was folded is not counted: got %q, want 1 entry, \"folded=197\" in it", got)
		}
	})
}

func TestNoLineIsFoldedWithoutAnOutage(t *testing.T) {
	watched(t, func(t *testing.T, log logging.Log, _ *logging.Outage, p *page) {
		for range 50 {
			log.Warn("queue is not served", "queue", "mail", "error", errDown)
		}
		if n := len(p.lines()); n != 50 {
			t.Errorf("%d lines of 50, want 50", n)
		}
	})
}

// Operations that an outage left behind end after it, all at once.
func TestLinesAreFoldedForAMinuteAfterAnOutage(t *testing.T) {
	watched(t, func(t *testing.T, log logging.Log, o *logging.Outage, p *page) {
		o.Down(errDown)
		o.Up()
		after(settle)
		p.lines()
		for i := range 40 {
			log.Info("outcome of a payment is known", "payment", fmt.Sprint("pay_", i), "provider", "postgres")
		}
		after(time.Minute)
		got := p.lines()
		if len(got) != 4 || !strings.Contains(got[3], "folded=37") {
			t.Errorf("got %s, want 4 entries, \"folded=37\" in it", strings.Join(got, "\n"))
		}
		for i := range 40 {
			log.Info("outcome of a payment is known", "payment", fmt.Sprint("pay_", i), "provider", "postgres")
		}
		if n := len(p.lines()); n != 40 {
			t.Errorf("a minute later %d lines of 40, want 40", n)
		}
	})
}

const settle = 6 * time.Second

func TestFoldedLinesAreWrittenAtDebug(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, p := newLog(slog.LevelDebug)
		log.Outages.Of("database", "postgres", "").Down(errDown)
		p.lines()
		log.Warn("queue is not served", "queue", "mail", "error", errDown)
		if got := p.lines(); len(got) != 1 || !strings.HasPrefix(got[0], "level=DEBUG") {
			t.Errorf("got %q, want 1 entry, beginning with \"level=DEBUG\"", got)
		}
	})
}

func TestRepeatedEventsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, p := newLog(slog.LevelInfo)
		r := &logging.Repeated{Log: log.Logger, Level: slog.LevelWarn, Text: "caller is refused"}
		for range 1000 {
			r.Note(t.Context(), "unauthorized", slog.String("code", "unauthorized"))
		}
		r.Note(t.Context(), "scope_missing", slog.String("code", "scope_missing"))
		want(t, p.lines(), `level=WARN msg="caller is refused" code=unauthorized`, `level=WARN msg="caller is refused" code=scope_missing`)
		after(time.Minute)
		want(t, p.lines(), `level=WARN msg="caller is refused" count=999 code=unauthorized`)
		after(2 * time.Minute)
		want(t, p.lines())
		r.Note(t.Context(), "unauthorized", slog.String("code", "unauthorized"))
		want(t, p.lines(), `level=WARN msg="caller is refused" code=unauthorized`)
		for i := range 1000 {
			r.Note(t.Context(), fmt.Sprint(i))
		}
		if n := len(p.lines()); n > 70 {
			t.Errorf("%d different things are told apart, want at most 70", n)
		}
	})
}
