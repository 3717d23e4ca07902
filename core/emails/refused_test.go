package emails_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/suppression"
	"patchbay/core/suppressions"
	"patchbay/tests/memjournal"
)

// refusing makes a provider refuse the recipients with these names, each with a code, whenever it is
// given one of them. Every other message is up to its field fail.
func (r *listener) refusing(code string, names ...string) {
	fail := r.fail
	r.fail = func(try int) error {
		var named email.RefusedRecipients
		for _, to := range addressees(r.got[len(r.got)-1]) {
			if slices.Contains(names, strings.TrimSuffix(to, "@example.com")) {
				named = append(named, email.RefusedRecipient{Email: to, Code: code, Reason: "no such user"})
			}
		}
		switch {
		case len(named) > 0:
			return refusedBy(named)
		case fail != nil:
			return fail(try)
		}
		return nil
	}
}

func refusedBy(named email.RefusedRecipients) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: email.CodeRecipientRejected, Answer: &fault.Answer{Status: 550, Words: "no such user"},
		Err: fmt.Errorf("scripted: %w", named),
	}
}

// given lists to whom a provider was asked to send at each call.
func (r *listener) given() (all string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.got {
		all += "[" + strings.ReplaceAll(strings.Join(addressees(m), " "), "@example.com", "") + "]"
	}
	return all
}

// addressees are the addresses in To, in Cc, in Bcc, and in the copies.
func addressees(m email.Message) (all []string) {
	for _, p := range append([]email.Personalization{{To: slices.Concat(m.To, m.Cc, m.Bcc)}}, m.Personalizations...) {
		for _, a := range p.To {
			all = append(all, a.Email)
		}
	}
	return all
}

// sendAs is send with a promise.
func (b *bureau) sendAs(t *testing.T, promise email.Delivery, to ...string) email.Message {
	t.Helper()
	d := draft()
	d.Delivery, d.To = promise, nil
	for _, name := range to {
		d.To = append(d.To, email.Address{Email: name + "@example.com"})
	}
	m, _, err := b.Accept(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return b.get(t, m.ID)
}

// states lists the status of each recipient.
func states(m email.Message) string {
	var all []string
	for _, r := range m.Recipients {
		all = append(all, string(r.Status))
	}
	return strings.Join(all, " ")
}

func TestOneRefusedRecipientDoesNotStopTheOthers(t *testing.T) {
	for _, promise := range []email.Delivery{email.AtMostOnce, email.AtLeastOnce} {
		t.Run(string(promise), func(t *testing.T) {
			inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
				b.first.refusing("5.1.1", "eve")
				m := b.sendAs(t, promise, "ada", "eve", "bob")
				equal(t, "the status", m.Status, email.Sent)
				equal(t, "the attempts", outcomes(m), "first:rejected_message first:accepted ")
				equal(t, "who was given it", b.first.given()+b.second.given(), "[ada eve bob][ada bob]")
				equal(t, "copies", b.first.copies(m.ID)+b.second.copies(m.ID), 1)
				equal(t, "the recipients", states(m), "sent bounced sent")
				equal(t, "the failures", m.Failures, 0)
				fate, _ := m.Recipients[1].Fate()
				equal(t, "why", fate.Code+" "+fate.Reason, "5.1.1 no such user")
				equal(t, "at which attempt", fate.Attempt, m.Attempts[0].ID)
				told := func(e string) bool {
					return strings.HasPrefix(e, "message.bounced ") && strings.Contains(e, `"recipient":1`) && strings.Contains(e, `"reason":"no such user"`)
				}
				if feed := b.feed(t, m.ID); !slices.ContainsFunc(feed, told) || strings.Contains(fmt.Sprint(feed), "eve@") {
					t.Errorf("the feed has %q, want one about Eve by her place", feed)
				}
				page, _, err := b.suppressed.List(t.Context(), tenant, "", 10)
				if err != nil || len(page) != 1 || page[0].Email != "eve@example.com" {
					t.Errorf("suppressed: %+v, %v, want Eve", page, err)
				}
			})
		})
	}
}

func TestAMessageOfWhichEveryRecipientIsRefusedFails(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.first.refusing("5.1.1", "ada", "eve")
		m := b.send(t, email.Transactional, "ada", "eve")
		<-time.After(48 * time.Hour)
		m = b.get(t, m.ID)
		equal(t, "the status", m.Status, email.Failed)
		equal(t, "the recipients", states(m), "bounced bounced")
		equal(t, "who was given it", b.first.given()+b.second.given(), "[ada eve]")
	})
}

// Each refusal leaves out somebody, however many rounds it takes.
func TestARecipientIsRefusedAtALaterRound(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.first.fail = func(try int) error {
			if try < 3 {
				return refusedBy(email.RefusedRecipients{{Email: []string{"ada@example.com", "eve@example.com"}[try-1], Code: "550"}})
			}
			return nil
		}
		m := b.send(t, email.Transactional, "ada", "eve", "bob")
		equal(t, "who was given it", b.first.given(), "[ada eve bob][eve bob][bob]")
		equal(t, "the recipients", states(m), "bounced bounced sent")
	})
}

func TestARefusalThatNamesNobodyOfTheMessageFailsIt(t *testing.T) {
	inBureau(t, func(int) error { return refusedBy(email.RefusedRecipients{{Email: "stranger@example.com"}, {}}) }, nil, func(t *testing.T, b *bureau) {
		m := b.send(t, email.Transactional, "ada", "eve")
		equal(t, "the status", m.Status, email.Failed)
		equal(t, "the recipients", states(m), "failed failed")
		equal(t, "tries", b.first.tried()+b.second.tried(), 1)
	})
}

// An error in doubt proves nothing, whomever it names.
func TestAnAmbiguousErrorRefusesNobody(t *testing.T) {
	inBureau(t, func(int) error {
		f := fault.New(fault.UnknownOutcome, "scripted", "")
		f.Err = email.RefusedRecipients{{Email: "eve@example.com", Code: "550"}}
		return f
	}, nil, func(t *testing.T, b *bureau) {
		m := b.sendAs(t, email.AtMostOnce, "ada", "eve")
		<-time.After(time.Hour)
		m = b.get(t, m.ID)
		equal(t, "the status", m.Status, email.Unknown)
		equal(t, "the recipients", states(m), "unknown unknown")
		equal(t, "tries", b.first.tried()+b.second.tried(), 1)
	})
}

// Neither another provider nor a later attempt is asked to send to one who was refused, whether the
// address is suppressed or not.
func TestARefusedRecipientIsLeftOutEverAfter(t *testing.T) {
	for _, code := range []string{"550", "5.1.1"} {
		t.Run(code, func(t *testing.T) {
			inBureau(t, once(fault.Internal), once(fault.Unavailable), func(t *testing.T, b *bureau) {
				b.first.fail = func(try int) error {
					if try < 4 {
						return fault.New(fault.Unavailable, "scripted", "")
					}
					return nil
				}
				b.first.refusing(code, "eve")
				m := b.send(t, email.Transactional, "ada", "eve")
				equal(t, "the attempts", outcomes(m), "first:rejected_message first:not_accepted second:not_accepted ")
				equal(t, "the recipients meanwhile", states(m), "queued bounced")
				_ = b.suppressed.Remove(t.Context(), tenant, b.suppressed.IDOf(tenant, "eve@example.com"))
				<-time.After(time.Hour)
				synctest.Wait()
				m = b.get(t, m.ID)
				equal(t, "the attempts", outcomes(m), "first:rejected_message first:not_accepted second:not_accepted first:not_accepted second:accepted ")
				equal(t, "whom the first was given", b.first.given(), "[ada eve][ada][ada]")
				equal(t, "whom the second was given", b.second.given(), "[ada][ada]")
				equal(t, "the recipients", states(m), "sent bounced")
			})
		})
	}
}

func TestThoseLeftAfterARefusalMayBeSuppressed(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.first.refusing("550", "eve")
		b.first.sending = func(email.Message) { // while the provider is asked
			if _, err := b.suppressed.Add(context.Background(), tenant, suppressionOf("ada")); err != nil {
				t.Error(err)
			}
		}
		m := b.send(t, email.Transactional, "ada", "eve")
		equal(t, "the status", m.Status, email.Failed)
		equal(t, "the recipients", states(m), "suppressed bounced")
		equal(t, "who was given it", b.first.given(), "[ada eve]")
	})
}

func TestAfterAnAmbiguousAttemptTheOthersAreSentASecondCopy(t *testing.T) {
	inBureau(t, once(fault.UnknownOutcome), nil, func(t *testing.T, b *bureau) {
		b.second.refusing("550", "eve")
		m := b.send(t, email.Transactional, "ada", "eve")
		equal(t, "the attempts", outcomes(m), "first:ambiguous second:rejected_message second:accepted ")
		equal(t, "whom the second was given", b.second.given(), "[ada eve][ada]")
		equal(t, "the recipients", states(m), "sent bounced")
	})
}

func TestAPersonsRetryIsForThoseWhoWereRefusedToo(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.first.refusing("550", "ada", "eve")
		m := b.send(t, email.Transactional, "ada", "eve")
		b.first.mu.Lock()
		b.first.fail = nil
		b.first.mu.Unlock()
		if _, err := b.Retry(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		m = b.get(t, m.ID)
		equal(t, "the recipients", states(m), "sent sent")
		equal(t, "who was given it", b.first.given(), "[ada eve][ada eve]")
	})
}

// The store may fail at any save: the others get the message at most once, and one who was refused is
// asked for again only if the store knows nothing of the refusal.
func TestARefusalThatIsInterruptedSendsNothingTwice(t *testing.T) {
	for n := range 6 {
		for _, op := range []string{memjournal.Save, memjournal.Saved} {
			t.Run(fmt.Sprintf("%s %d", op, n), func(t *testing.T) {
				inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
					b.first.refusing("550", "eve")
					var count atomic.Int64
					b.failing(func(at string) error {
						if at == op && count.Add(1) == int64(n+2) { // the first accepts the message
							return fault.New(fault.UnknownOutcome, "scripted", "")
						}
						return nil
					})
					m := b.sendAs(t, email.AtMostOnce, "ada", "eve")
					<-time.After(time.Hour)
					synctest.Wait()
					m = b.get(t, m.ID)
					if copies := b.first.copies(m.ID) + b.second.copies(m.ID); copies > 1 || m.Status == email.Sent && copies != 1 {
						t.Errorf("%d copies of a message that is %s: %s", copies, m.Status, outcomes(m))
					}
					if m.HasOutcome(email.Accepted) && states(m) != "sent bounced" {
						t.Errorf("the recipients are %s, want sent bounced", states(m))
					}
				})
			})
		}
	}
}

func TestARefusalOutlivesItsProcess(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		before := &listener{mailer: &mailer{name: "first", sent: map[string]int{}, fail: always(fault.Unavailable)}}
		before.refusing("550", "eve")
		after := &listener{mailer: &mailer{name: "first", sent: map[string]int{}}}
		p.stop()
		p.open(t, before)
		d := draft()
		d.To = append(d.To, email.Address{Email: "eve@example.com"})
		m := p.send(t, tenant, d)
		synctest.Wait()
		p.stop()
		p.open(t, after)
		<-time.After(time.Minute)
		synctest.Wait()
		m, err := p.Get(t.Context(), tenant, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "who was given it before", before.given(), "[ada eve][ada]")
		equal(t, "who was given it after", after.given(), "[ada]")
		equal(t, "the recipients", states(m), "sent bounced")
	})
}

func TestRefusedCopiesOfABatchAreLeftOutAndTheOthersGoOnTogether(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.first.refusing("550", "eve")
		equal(t, "the counts", fmt.Sprint(b.sendBatch(t, email.Transactional, "ada", "eve", "bob").Counts), "map[bounced:1 sent:2]")
		equal(t, "who was given it", b.first.given()+b.second.given(), "[ada eve bob][ada bob]")
	})
}

func TestABatchOfWhichEveryCopyIsRefusedEnds(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.first.refusing("550", "ada", "eve")
		equal(t, "the counts", fmt.Sprint(b.sendBatch(t, email.Transactional, "ada", "eve").Counts), "map[bounced:2]")
		equal(t, "who was given it", b.first.given()+b.second.given(), "[ada eve]")
	})
}

// The second provider stores no template and so takes the copies one by one.
func TestARefusedCopyStaysSoWhenItsBatchIsSplit(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.first.fail = always(fault.Unavailable)
		b.first.refusing("550", "eve")
		b.second.features.Templates = func(string) bool { return true }
		equal(t, "the counts", fmt.Sprint(b.sendBatch(t, email.Transactional, "ada", "eve", "bob").Counts), "map[bounced:1 sent:2]")
		equal(t, "Eve is asked for once", strings.Count(b.first.given()+b.second.given(), "eve"), 1)
	})
}

func suppressionOf(name string) suppressions.Addition {
	return suppressions.Addition{Email: name + "@example.com", Reason: suppression.Manual}
}
