package emails_test

import (
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

func TestTheMessageIDHasTheDomainInASCII(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		r.ASCIIAddress = rfc5322.ASCII
		d := draft()
		d.From = email.Address{Email: "shop@bücher.example"}
		m := r.accept(t, d)
		synctest.Wait()
		if want := m.ID + "@xn--bcher-kva.example"; m.MessageID != want {
			t.Errorf("Message-ID = %q, want %q", m.MessageID, want)
		}
	})
}

func TestOneMailboxMayStandOnlyOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		draft email.Draft
		param string
	}{
		{"in both spellings of its domain", email.Draft{To: []email.Address{{Email: "a@bücher.example"}, {Email: "a@xn--bcher-kva.example"}}}, "to[1]"},
		{"in to and in cc", email.Draft{To: []email.Address{{Email: "a@xn--bcher-kva.example"}}, Cc: []email.Address{{Email: "A@BÜCHER.example"}}}, "cc[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			within(t, nil, nil, nil, func(t *testing.T, r rig) {
				r.ASCIIAddress = rfc5322.ASCII
				tt.draft.Subject, tt.draft.Text = "Hello", "Hello"
				_, _, err := r.Accept(t.Context(), tenant, tt.draft, idempotency.Key{})
				if f := fault.From(err); f.Code != "duplicate_recipient" || f.Param != tt.param {
					t.Errorf("error = %v at %q, want duplicate_recipient at %q", err, f.Param, tt.param)
				}
			})
		})
	}
}

func TestAWaitingMessageIsRetriedByAPerson(t *testing.T) {
	within(t, once(fault.Unavailable), once(fault.Unavailable), nil, func(t *testing.T, r rig) {
		m := r.accept(t, draft())
		synctest.Wait()
		if got := r.get(t, m.ID); got.Status != email.Queued {
			t.Fatalf("status = %s, want %s", got.Status, email.Queued)
		}
		if _, err := r.Retry(t.Context(), tenant, m.ID); err != nil {
			t.Fatalf("retry of a queued message: %v", err)
		}
		synctest.Wait()
		if got := r.get(t, m.ID); got.Status != email.Sent {
			t.Errorf("status = %s, want %s at once", got.Status, email.Sent)
		}
	})
}

func TestAMessageForLaterIsSentNowByARetry(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		d := draft()
		d.SendAt = time.Now().Add(time.Hour)
		m := r.accept(t, d)
		if _, err := r.Retry(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		got := r.get(t, m.ID)
		if got.Status != email.Sent {
			t.Errorf("status = %s, want %s", got.Status, email.Sent)
		}
		if late := got.Date().After(time.Now()); late {
			t.Errorf("date = %s, want no time to come", got.Date())
		}
	})
}
