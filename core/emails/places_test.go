package emails_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// slowly is a provider whose calls take as long as the test says, until they are
// given up.
type slowly struct {
	mailer
	takes func(m email.Message) time.Duration
}

func (s *slowly) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if s.takes != nil {
		select {
		case <-time.After(s.takes(m)):
		case <-ctx.Done():
			return email.Receipt{}, fault.Wrap(fault.UnknownOutcome, "scripted", ctx.Err())
		}
	}
	return s.mailer.Send(ctx, m)
}

// hangs lets each call take all the time that it has.
func hangs(email.Message) time.Duration { return time.Hour }

// post is an emails.Service with two providers; the second alone takes tags.
type post struct {
	*emails.Service
	journal       *memjournal.Journal
	first, second *slowly
	saves         atomic.Int64
	start         time.Time
	stop          func()
}

func inPost(t *testing.T, test func(t *testing.T, p *post)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &post{
			journal: memjournal.New(clock.System{}), start: time.Now(),
			first:  &slowly{mailer: mailer{name: "first", sent: map[string]int{}}},
			second: &slowly{mailer: mailer{name: "second", sent: map[string]int{}, features: email.Features{Tags: 1}}},
		}
		p.journal.Fail = func(op string) error {
			if op == memjournal.Save {
				p.saves.Add(1)
			}
			return nil
		}
		p.open(t, p.first, p.second)
		test(t, p)
		p.stop()
	})
}

// open starts an emails.Service with these providers.
func (p *post) open(t *testing.T, mailers ...ports.Mailer) {
	t.Helper()
	p.Service = emails.New(emails.Options{
		Journal: p.journal, Mailers: mailers, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
		From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: ids.UUIDs{}.New("own"),
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	service := p.Service
	go func() { defer close(done); service.Run(ctx) }()
	synctest.Wait()
	p.stop = func() { cancel(); <-done }
}

func (p *post) send(t *testing.T, tenant string, d email.Draft) email.Message {
	t.Helper()
	m, _, err := p.Accept(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wantSent wants a message to have been sent by a moment of the test.
func (p *post) wantSent(t *testing.T, m email.Message, by time.Duration, attempts string) {
	t.Helper()
	<-time.After(by - time.Since(p.start))
	synctest.Wait()
	m, err := p.Get(t.Context(), m.Tenant, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if m.Status != email.Sent || outcomes(m) != attempts {
		t.Errorf("after %s: %s, %q; want it sent by %q", time.Since(p.start), m.Status, outcomes(m), attempts)
	}
}

func tagged() email.Draft {
	d := draft()
	d.Tags = []string{"receipt"}
	return d
}

func at(d email.Draft, due time.Time) email.Draft {
	d.SendAt = due
	return d
}

func TestMailOfAHealthyProviderWaitsForNoOthers(t *testing.T) {
	t.Run("that comes", func(t *testing.T) {
		inPost(t, func(t *testing.T, p *post) {
			p.first.takes = hangs
			for range 200 {
				p.send(t, tenant, draft())
			}
			synctest.Wait()
			p.wantSent(t, p.send(t, tenant, tagged()), time.Millisecond, "second:accepted ")
		})
	})
	t.Run("that waits until it is due", func(t *testing.T) {
		inPost(t, func(t *testing.T, p *post) {
			p.first.takes = hangs
			for range 200 {
				p.send(t, tenant, at(draft(), p.start.Add(time.Hour)))
			}
			m := p.send(t, tenant, at(tagged(), p.start.Add(time.Hour)))
			p.wantSent(t, m, time.Hour+time.Second, "second:accepted ")
		})
	})
	t.Run("while others' has moved on to the one that hangs", func(t *testing.T) {
		inPost(t, func(t *testing.T, p *post) {
			p.first.fail = always(fault.Unavailable)
			p.second.takes = hangs
			for range 200 {
				p.send(t, tenant, draft())
			}
			synctest.Wait()
			p.first.mu.Lock()
			p.first.fail = nil
			p.first.mu.Unlock()
			p.wantSent(t, p.send(t, tenant, draft()), time.Millisecond, "first:accepted ")
		})
	})
	t.Run("while what waited for it goes to the one that hangs", func(t *testing.T) {
		inPost(t, func(t *testing.T, p *post) {
			p.second.takes = hangs
			for range 200 {
				p.send(t, tenant, at(draft(), p.start.Add(time.Hour)))
			}
			p.first.leaveAlone(fault.New(fault.Unavailable, "breaker_open", "it keeps failing"))
			<-time.After(time.Hour + 2*time.Second)
			p.first.leaveAlone(nil)
			p.wantSent(t, p.send(t, tenant, at(draft(), p.start.Add(time.Hour+5*time.Second))), time.Hour+6*time.Second, "first:accepted ")
		})
	})
}

// Nothing of one tenant's waits longer because another has much to send.
func TestATenantsMailWaitsForNoOthers(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		p.first.takes = func(m email.Message) time.Duration {
			if m.Tenant == "slow" {
				return 25 * time.Second
			}
			return 0
		}
		for range 1000 {
			p.send(t, "slow", draft())
		}
		synctest.Wait()
		p.wantSent(t, p.send(t, "quick", draft()), time.Millisecond, "first:accepted ")
	})
}

// A message that found no place at the next provider goes on there, and does not
// begin again at the first.
func TestAMessageThatWaitsForTheNextProviderGoesOnThere(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		p.second.takes = func(m email.Message) time.Duration {
			if len(m.Tags) > 0 {
				return 20 * time.Second
			}
			return 0
		}
		for range 200 {
			p.send(t, tenant, tagged())
		}
		p.first.fail = always(fault.Unavailable)
		m := p.send(t, tenant, draft())
		synctest.Wait()
		if m, _ = p.Get(t.Context(), tenant, m.ID); m.Status != email.Queued {
			t.Errorf("it is %s; want it to wait for a place", m.Status)
		}
		p.wantSent(t, m, time.Minute, "first:not_accepted second:accepted ")
	})
}

func TestAMessageThatWaitsForTheNextProviderCanBeCanceled(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		p.second.takes = hangs
		for range 200 {
			p.send(t, tenant, tagged())
		}
		p.first.fail = always(fault.Unavailable)
		m := p.send(t, tenant, draft())
		synctest.Wait()
		if _, err := p.Cancel(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if m, _ = p.Get(t.Context(), tenant, m.ID); m.Status != email.Canceled || p.second.copies(m.ID) != 0 {
			t.Errorf("%s, %d copies", m.Status, p.second.copies(m.ID))
		}
	})
}

func TestWhatWaitsIsSentThoughItsQueueIsNotTheOneItWouldHaveNow(t *testing.T) {
	t.Run("of the previous version, which had one for all", func(t *testing.T) {
		inPost(t, func(t *testing.T, p *post) {
			m := p.send(t, tenant, at(draft(), p.start.Add(time.Hour)))
			r, err := p.journal.Get(t.Context(), tenant, emails.Kind, m.ID)
			if r.Queue != "mail:first" || err != nil {
				t.Fatalf("it waits in %q, %v", r.Queue, err)
			}
			r.Queue = "mail"
			if err := p.journal.Save(t.Context(), &r)[0]; err != nil {
				t.Fatal(err)
			}
			p.wantSent(t, m, time.Hour+time.Second, "first:accepted ")
		})
	})
	t.Run("its provider is not configured any more", func(t *testing.T) {
		inPost(t, func(t *testing.T, p *post) {
			m := p.send(t, tenant, at(draft(), p.start.Add(time.Hour)))
			p.stop()
			p.open(t, p.second)
			p.wantSent(t, m, time.Hour+2*time.Second, "second:accepted ")
		})
	})
}

// The message, the attempt, and its outcome.
func TestAMessageThatIsSentAtOnceIsSavedThreeTimes(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		before := p.saves.Load()
		p.wantSent(t, p.send(t, tenant, draft()), time.Millisecond, "first:accepted ")
		if n := p.saves.Load() - before; n != 3 {
			t.Errorf("saved %d times", n)
		}
	})
}

// Where one hangs all, and the other is sick, nothing is asked without end.
func TestAMessageGoesRoundOnlyAsItsScheduleSays(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		p.first.fail, p.second.fail = always(fault.Unavailable), always(fault.Unavailable)
		var all []email.Message
		for range 100 {
			all = append(all, p.send(t, tenant, draft()))
		}
		<-time.After(15 * time.Second)
		for _, m := range all {
			m, err := p.Get(t.Context(), tenant, m.ID)
			if want := "first:not_accepted second:not_accepted first:not_accepted second:not_accepted "; err != nil || outcomes(m) != want || m.Failures != 2 {
				t.Fatalf("%v: %d failures, %s", err, m.Failures, fmt.Sprint(outcomes(m)))
			}
		}
	})
}
