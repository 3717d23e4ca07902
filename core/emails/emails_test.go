package emails_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/tests/memjournal"
)

func TestAnAcceptedMessageIsSentAtOnce(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		m := r.accept(t, draft())
		equal(t, "status when accepted", m.Status, email.Queued)
		equal(t, "text made from the HTML", m.Text, "Hello")
		equal(t, "default sender", m.From.Email, "shop@example.com")
		synctest.Wait()
		equal(t, "status of the recipient in the answer, once it is sent", m.Recipients[0].Status, email.Queued)
		m = r.get(t, m.ID)
		equal(t, "status", m.Status, email.Sent)
		equal(t, "attempts", outcomes(m), "first:accepted ")
		equal(t, "copies sent", r.first.copies(m.ID), 1)
		equal(t, "status of the recipient", m.Recipients[0].Status, email.Sent)
	})
}

func TestConcurrentRequestsUnderOneKeySendOneCopy(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		var all sync.WaitGroup
		ids := make(chan string, 20)
		for range 20 {
			all.Go(func() {
				m, _, err := r.Accept(t.Context(), tenant, draft(), key("k"))
				if err != nil {
					t.Error(err)
				}
				ids <- m.ID
			})
		}
		all.Wait()
		close(ids)
		synctest.Wait()
		first := <-ids
		for id := range ids {
			if id != first {
				t.Fatalf("two messages under one key: %s and %s", first, id)
			}
		}
		equal(t, "copies sent", r.first.copies(first), 1)
		if _, replayed, err := r.Accept(t.Context(), tenant, draft(), key("k")); err != nil || !replayed {
			t.Errorf("repeat: replayed = %v, error %v, want true and none", replayed, err)
		}
		other := idempotency.New(tenant, "POST /api/emails", "k", []byte("b"))
		if _, _, err := r.Accept(t.Context(), tenant, draft(), other); fault.From(err).Code != idempotency.CodeMismatch {
			t.Errorf("another request under the key: error %v, want code %s", err, idempotency.CodeMismatch)
		}
	})
}

func TestTheOutcomeOfAnAttemptDecidesWhatFollows(t *testing.T) {
	tests := []struct {
		name     string
		delivery email.Delivery
		first    func(int) error
		second   func(int) error
		wait     time.Duration
		status   email.Status
		attempts string
		copies   int
	}{
		{"a message rejected as invalid fails at once, without another provider", email.AtLeastOnce, always(fault.Invalid), nil, time.Second, email.Failed, "first:rejected_message ", 0},
		{"refused credentials lead to the next provider", email.AtLeastOnce, always(fault.Unauthorized), nil, time.Second, email.Sent, "first:provider_unusable second:accepted ", 1},
		{"an exhausted quota leads to the next provider", email.AtLeastOnce, always(fault.QuotaExceeded), nil, time.Second, email.Sent, "first:provider_unusable second:accepted ", 1},
		{"an unavailable provider leads to the next one", email.AtMostOnce, always(fault.Unavailable), nil, time.Second, email.Sent, "first:not_accepted second:accepted ", 1},
		{"if no provider is available, the message is retried later", email.AtMostOnce, once(fault.Unavailable), once(fault.RateLimited), 10 * time.Second, email.Sent, "first:not_accepted second:not_accepted first:accepted ", 1},
		{"an ambiguous at_most_once message is not sent again", email.AtMostOnce, always(fault.UnknownOutcome), nil, 48 * time.Hour, email.Unknown, "first:ambiguous ", 1},
		{"an ambiguous at_least_once message is sent by the next provider", email.AtLeastOnce, always(fault.UnknownOutcome), nil, time.Second, email.Sent, "first:ambiguous second:accepted ", 2},
		{"an at_least_once message ambiguous at every provider is retried later", email.AtLeastOnce, once(fault.UnknownOutcome), once(fault.UnknownOutcome), 10 * time.Second, email.Sent, "first:ambiguous second:ambiguous first:accepted ", 3},
		{"an unknown domain leads to the next provider", email.AtMostOnce, always(fault.NotFound), nil, time.Second, email.Sent, "first:provider_unusable second:accepted ", 1},
		{"a refused request leads to the next provider", email.AtMostOnce, always(fault.Refused), nil, time.Second, email.Sent, "first:provider_unusable second:accepted ", 1},
		{"a request refused by every provider, but not permanently, is retried later", email.AtMostOnce, once(fault.Refused), once(fault.Refused), 10 * time.Second, email.Sent, "first:provider_unusable second:provider_unusable first:accepted ", 1},
		{"a sender refused permanently leads to the next provider", email.AtMostOnce, refuses, nil, time.Second, email.Sent, "first:refused_here second:accepted ", 1},
		{"a sender refused permanently by every provider fails the message at once", email.AtLeastOnce, refuses, refuses, time.Second, email.Failed, "first:refused_here second:refused_here ", 0},
		{"a sender refused by the first while the second is unavailable is retried at the second only", email.AtLeastOnce, refuses, once(fault.Unavailable), 10 * time.Second, email.Sent, "first:refused_here second:not_accepted second:accepted ", 1},
		{"a sender refused by the second after the first was unavailable is retried at the first only", email.AtLeastOnce, once(fault.Unavailable), refuses, 10 * time.Second, email.Sent, "first:not_accepted second:refused_here first:accepted ", 1},
		{"an overload of the gateway itself is retried later at the same provider", email.AtLeastOnce, once(fault.Overloaded), nil, 10 * time.Second, email.Sent, "first:not_accepted first:accepted ", 1},
		{"an internal error of an adapter is ambiguous", email.AtMostOnce, always(fault.Internal), nil, time.Second, email.Unknown, "first:ambiguous ", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			within(t, tt.first, tt.second, nil, func(t *testing.T, r rig) {
				d := draft()
				d.Delivery = tt.delivery
				m := r.accept(t, d)
				<-time.After(tt.wait)
				m = r.get(t, m.ID)
				equal(t, "status", m.Status, tt.status)
				equal(t, "attempts", outcomes(m), tt.attempts)
				equal(t, "copies sent", r.first.copies(m.ID)+r.second.copies(m.ID), tt.copies)
			})
		})
	}
}

// The provider's answer stays with the attempt. After a person's retry every provider is
// tried again, also those that refused the message before.
func TestAMessageRefusedByEveryProviderFailsUntilAPersonRetriesIt(t *testing.T) {
	within(t, refuses, refuses, nil, func(t *testing.T, r rig) {
		m := r.accept(t, draft())
		synctest.Wait()
		m = r.get(t, m.ID)
		last := m.Attempts[len(m.Attempts)-1]
		equal(t, "status", m.Status, email.Failed)
		equal(t, "code of the last attempt", last.Code, "sender_not_verified")
		if want := (fault.Answer{Status: 403, Field: "from", Words: "does not match a verified sender"}); last.Answer == nil || *last.Answer != want {
			t.Errorf("answer of the last attempt = %+v, want %+v", last.Answer, want)
		}
		r.second.mu.Lock()
		r.second.fail = nil
		r.second.mu.Unlock()
		if _, err := r.Retry(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		const want = "first:refused_here second:refused_here first:refused_here second:accepted "
		m = r.get(t, m.ID)
		equal(t, "status after the retry", m.Status, email.Sent)
		equal(t, "attempts", outcomes(m), want)
	})
}

func TestAnUnavailableProviderIsSkippedUnlessAllAre(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		open := fault.New(fault.Unavailable, "breaker_open", "it keeps failing")
		r.first.leaveAlone(open)
		for range 2 {
			m := r.accept(t, draft())
			<-time.After(time.Second)
			equal(t, "attempts while the first is unavailable", outcomes(r.get(t, m.ID)), "second:accepted ")
			equal(t, "calls of the first provider", r.first.tried(), 0)
		}
		r.first.leaveAlone(nil)
		m := r.accept(t, draft())
		<-time.After(time.Second)
		equal(t, "attempts once the first is available again", outcomes(r.get(t, m.ID)), "first:accepted ")
		r.first.leaveAlone(open)
		r.second.leaveAlone(open)
		m = r.accept(t, draft())
		<-time.After(time.Second)
		equal(t, "attempts while both are unavailable", outcomes(r.get(t, m.ID)), "first:accepted ")
	})
}

func TestAMessageFailsAfterTheScheduleAndIsSentByARetry(t *testing.T) {
	within(t, always(fault.Unavailable), func(try int) error {
		if try <= 10 {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}, nil, func(t *testing.T, r rig) {
		m := r.accept(t, draft())
		<-time.After(40 * time.Hour)
		m = r.get(t, m.ID)
		equal(t, "status after the last attempt", m.Status, email.Failed)
		equal(t, "number of attempts at two providers", len(m.Attempts), 20)
		if _, err := r.Cancel(t.Context(), tenant, m.ID); fault.From(err).Code != "unexpected_state" {
			t.Errorf("cancel of a failed message: error %v, want code unexpected_state", err)
		}
		if again, err := r.Retry(t.Context(), tenant, m.ID); err != nil || again.Status != email.Queued {
			t.Fatalf("retry: status %q, error %v, want %q and none", again.Status, err, email.Queued)
		}
		<-time.After(time.Second)
		equal(t, "status after the retry", r.get(t, m.ID).Status, email.Sent)
	})
}

// A caller may send anew what has failed. What may have been sent does not fail.
func TestAMessageThatMayHaveBeenSentEndsUnknown(t *testing.T) {
	for name, then := range map[string]fault.Kind{"refused since": fault.Invalid, "never accepted since": fault.Unavailable} {
		t.Run(name, func(t *testing.T) {
			within(t, func(try int) error {
				if try == 1 {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				return fault.New(then, "scripted", "")
			}, always(then), nil, func(t *testing.T, r rig) {
				d := draft()
				d.Delivery = email.AtLeastOnce
				m := r.accept(t, d)
				<-time.After(40 * time.Hour)
				equal(t, "status", r.get(t, m.ID).Status, email.Unknown)
			})
		})
	}
}

// A process that ends between an attempt and its outcome leaves it ambiguous.
// Here the journal fails at that moment, and the lease runs out.
func TestAnInterruptedAttemptIsAmbiguous(t *testing.T) {
	tests := []struct {
		delivery email.Delivery
		status   email.Status
		copies   int
	}{{email.AtMostOnce, email.Unknown, 1}, {email.AtLeastOnce, email.Sent, 2}}
	for _, tt := range tests {
		t.Run(string(tt.delivery), func(t *testing.T) {
			var saves atomic.Int64
			interrupted := func(op string) error {
				if op == memjournal.Save && saves.Add(1) == 3 { // accepted, begun, and now the outcome
					return fault.New(fault.Internal, "scripted", "")
				}
				return nil
			}
			within(t, nil, nil, interrupted, func(t *testing.T, r rig) {
				d := draft()
				d.Delivery = tt.delivery
				m := r.accept(t, d)
				<-time.After(5 * time.Minute)
				m = r.get(t, m.ID)
				equal(t, "status", m.Status, tt.status)
				equal(t, "copies sent", r.first.copies(m.ID), tt.copies)
				equal(t, "outcome of the interrupted attempt", m.Attempts[0].Outcome, email.Ambiguous)
			})
		})
	}
}

func TestNothingIsSentThatIsNotStored(t *testing.T) {
	for i, name := range []string{"the message", "the attempt"} {
		t.Run(name, func(t *testing.T) {
			var saves atomic.Int64
			fail := func(op string) error {
				if op == memjournal.Save && saves.Add(1) == int64(i+1) {
					return fault.New(fault.Unavailable, "scripted", "")
				}
				return nil
			}
			within(t, nil, nil, fail, func(t *testing.T, r rig) {
				m, _, err := r.Accept(t.Context(), tenant, draft(), key("k"))
				synctest.Wait()
				if r.first.tried() != 0 {
					t.Fatalf("%d tries without a record of them (%v)", r.first.tried(), err)
				}
				<-time.After(5 * time.Minute) // the lease of what was accepted runs out
				if want := i; r.first.copies(m.ID) != want {
					t.Fatalf("%d copies, want %d", r.first.copies(m.ID), want)
				}
			})
		})
	}
}

func TestALostAnswerOfTheJournal(t *testing.T) {
	for nth := range int64(3) {
		t.Run([]string{"to the message", "to the attempt", "to the outcome"}[nth], func(t *testing.T) {
			var saved atomic.Int64
			lost := func(op string) error {
				if op == memjournal.Saved && saved.Add(1) == nth+1 {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				return nil
			}
			within(t, nil, nil, lost, func(t *testing.T, r rig) {
				m := r.accept(t, draft())
				synctest.Wait()
				if got := r.get(t, m.ID); got.Status != email.Sent || r.first.copies(m.ID) != 1 {
					t.Errorf("%s after %s, %d copies", got.Status, outcomes(got), r.first.copies(m.ID))
				}
			})
		})
	}
}

// The answer is lost, and with it the caller's time.
func TestAMessageIsRereadThoughItsTimeIsUp(t *testing.T) {
	var end context.CancelFunc // set before anything is saved
	var saved atomic.Int64
	lost := func(op string) error {
		if op == memjournal.Saved && saved.Add(1) == 1 {
			end()
			return fault.New(fault.UnknownOutcome, "scripted", "")
		}
		return nil
	}
	within(t, nil, nil, lost, func(t *testing.T, r rig) {
		var ctx context.Context
		ctx, end = context.WithCancel(t.Context())
		m, _, err := r.Accept(ctx, tenant, draft(), idempotency.Key{})
		synctest.Wait()
		if err != nil || r.first.copies(m.ID) != 1 {
			t.Errorf("%v, %d copies", err, r.first.copies(m.ID))
		}
	})
}

func TestAMessageWaitsForItsTime(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		d := draft()
		d.SendAt = time.Now().Add(time.Hour)
		sent, canceled := r.accept(t, d), r.accept(t, d)
		if _, err := r.Cancel(t.Context(), tenant, canceled.ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(59 * time.Minute)
		if r.first.tried() != 0 {
			t.Fatal("it went out early")
		}
		<-time.After(2 * time.Minute)
		if r.first.copies(sent.ID) != 1 || r.first.copies(canceled.ID) != 0 {
			t.Fatalf("%d and %d copies", r.first.copies(sent.ID), r.first.copies(canceled.ID))
		}
	})
}

func TestOnlyProvidersThatCanCarryItAreAsked(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		d := draft()
		d.Tags = []string{"welcome"} // the first provider has no tags
		m := r.accept(t, d)
		synctest.Wait()
		if got := r.get(t, m.ID); outcomes(got) != "second:accepted " {
			t.Errorf("%s", outcomes(got))
		}
		d.Attachments = []email.Attachment{{Filename: "a", ContentType: "text/plain", Content: []byte("a")}}
		if _, _, err := r.Accept(t.Context(), tenant, d, idempotency.Key{}); !fault.Is(err, fault.Unsupported) {
			t.Errorf("what nobody can carry: %v", err)
		}
	})
}
