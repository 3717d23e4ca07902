package emails_test

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/logging"
	"patchbay/tests/testlog"
)

// page is a log that a test reads.
type page struct{ testlog.Buffer }

var differs = regexp.MustCompile(`(email|attempt|due)=\S+`)

// lines gives what was written, without what differs each time.
func (p *page) lines() []string {
	var lines []string
	for line := range strings.Lines(p.String()) {
		_, line, _ = strings.Cut(line, "level=")
		lines = append(lines, differs.ReplaceAllString(strings.TrimSpace(line), "$1=_"))
	}
	return lines
}

// said fails as a provider does that quotes an address.
func said(kind fault.Kind, code string) func(int) error {
	return func(int) error {
		return &fault.Error{
			Kind: kind, Provider: "first", Code: code, Message: "it refuses", Answer: &fault.Answer{Status: 400, Field: "to", Words: "ada@example.com is bad"},
		}
	}
}

func TestWhatBecomesOfAnEmailIsTold(t *testing.T) {
	const who = `request=req_1 key=key_1 email=_ tenant=default attempt=_ provider=first outcome=`
	const answer = ` status=400 field=to words="[address] is bad"`
	for name, c := range map[string]struct {
		delivery      email.Delivery
		first, second func(int) error
		after         time.Duration
		want          []string
	}{
		"it is sent": {email.AtLeastOnce, nil, nil, time.Second, nil},
		"it is refused": {email.AtLeastOnce, said(fault.Invalid, "rejected"), nil, time.Second, []string{
			`WARN msg="email failed" ` + who + `rejected_message error="invalid (rejected): it refuses" kind=invalid code=rejected` + answer,
		}},
		"it may be lost": {email.AtMostOnce, said(fault.UnknownOutcome, "no_answer"), nil, time.Second, []string{
			`WARN msg="outcome of an email is unknown; it is not sent again" ` + who + `ambiguous error="unknown_outcome (no_answer): it refuses" kind=unknown_outcome code=no_answer` + answer,
		}},
		"it goes to the next": {email.AtLeastOnce, said(fault.Unavailable, "connection_failed"), nil, time.Second, []string{
			`WARN msg="email goes to the next provider" ` + who + `not_accepted error="unavailable (connection_failed): it refuses" kind=unavailable code=connection_failed` + answer + ` next=second`,
		}},
		"it is tried again": {email.AtLeastOnce, said(fault.Overloaded, "overloaded"), nil, time.Second, []string{
			`WARN msg="email is tried again later" ` + who + `not_accepted error="overloaded (overloaded): it refuses" kind=overloaded code=overloaded` + answer + ` due=_`,
		}},
	} {
		for _, keeping := range []email.Keeping{email.Keep, email.UntilSent, email.Never} {
			t.Run(name+", "+string(keeping), func(t *testing.T) {
				within(t, c.first, c.second, nil, func(t *testing.T, r rig) {
					p := &page{}
					r.Log = logging.New(slog.NewTextHandler(p, nil)).Logger
					d := draft()
					d.Delivery, d.Keeping = c.delivery, keeping
					ctx := logging.WithCaller(t.Context(), logging.Caller{Request: "req_1", Tenant: tenant, Key: "key_1"})
					if _, _, err := r.Accept(ctx, tenant, d, idempotency.Key{}); err != nil {
						t.Fatal(err)
					}
					<-time.After(c.after)
					synctest.Wait()
					want := strings.Join(c.want, "\n")
					if keeping != email.Keep {
						want = strings.ReplaceAll(want, ` words="[address] is bad"`, "") // they may quote it
					}
					if got := strings.Join(p.lines(), "\n"); got != want {
						t.Errorf("the log says\n%s\nwant\n%s", got, want)
					}
				})
			})
		}
	}
}

func TestThatAnEmailIsSetAsideIsTold(t *testing.T) {
	away := said(fault.Unavailable, "connection_failed")
	within(t, away, away, nil, func(t *testing.T, r rig) {
		p := &page{}
		r.Log = logging.New(slog.NewTextHandler(p, nil)).Logger
		r.accept(t, draft())
		<-time.After(40 * time.Hour)
		synctest.Wait()
		got := p.lines()
		if last := got[len(got)-1]; !strings.HasPrefix(last, `ERROR msg="email is set aside after its last attempt" email=_ tenant=default attempt=_ provider=second`) ||
			!strings.Contains(last, "code=connection_failed") || !strings.Contains(last, "attempts=20") {
			t.Errorf("%s", strings.Join(got, "\n"))
		}
	})
}
