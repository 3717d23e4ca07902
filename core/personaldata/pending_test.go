package personaldata_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/personaldata"
	"patchbay/core/user"
)

func TestWhatIsUnderWayIsErasedLater(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		ada := r.user(t, "ada@example.com")
		who := personaldata.Who{Tenant: tenant, UserID: ada.ID}
		slow := make(chan struct{})
		r.outbox.slow.Store(&slow)
		sending := r.write(t, draft("ada@example.com"), idempotency.Key{})
		unsure := order(ada.ID, nil)
		unsure.PaymentMethod = "pm_mock_500_committed"
		open := r.charge(t, unsure, idempotency.Key{})
		paid := r.charge(t, order(ada.ID, nil), idempotency.Key{})
		r.hearInVain(t, "evt_waits", paid)
		counts, pending, err := r.erase(t, who)
		want := []personaldata.Pending{
			{ID: sending.ID, Why: "it is being sent"},
			{ID: open.ID, Why: "its create is under way, or nobody knows yet how it ended"},
			{ID: "mock:evt_waits", Why: "it waits to be applied"},
			{ID: ada.ID, Why: "the rest must be erased before"},
		}
		if err != nil || counts != "messages 1/0/1 payments 2/1/1 webhooks 1/0/1 users 1/0/1" || fmt.Sprint(pending) != fmt.Sprint(want) {
			t.Fatalf("%v, %s, %+v", err, counts, pending)
		}
		close(slow)
		works(t, r.pay.Run, time.Minute)
		works(t, r.hooks.Run, time.Minute)
		if counts, pending, err = r.erase(t, who); err != nil || counts != "messages 1/1/0 payments 1/1/0 webhooks 0/0/0 users 1/1/0" {
			t.Fatalf("%v, %s, %+v", err, counts, pending)
		}
		r.clean(t)
		p, err := r.pay.Get(t.Context(), tenant, open.ID)
		if err != nil || p.Status != payment.Succeeded || p.AmountCaptured != 1250 {
			t.Errorf("the payment whose outcome was open: %v, %+v", err, p)
		}
	})
}

// What was at rest when it was found may be under way when its turn comes.
func TestWhatBeganMeanwhileIsErasedLater(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		ada := user.Person{Tenant: tenant, UserID: "usr_ada", Emails: []string{"ada@example.com"}}
		refused := draft("ada@example.com")
		refused.Subject = "refused"
		m := r.write(t, refused, idempotency.Key{})
		reserve := order(ada.UserID, nil)
		reserve.PaymentMethod, reserve.CaptureMethod = "pm_mock_capture_500_committed", payment.CaptureManual
		p := r.charge(t, reserve, idempotency.Key{})
		r.hearInVain(t, "evt_waits", p)
		var found []user.PersonalObject
		for _, place := range []personaldata.Keeper{r.mail, r.pay, r.hooks} {
			err := place.PersonalObjects(t.Context(), ada, func(int) error { return nil }, func(one user.PersonalObject) error {
				found = append(found, one)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		slow := make(chan struct{})
		r.outbox.slow.Store(&slow)
		if _, err := r.mail.Retry(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		stopped := make(chan struct{})
		go func() { defer close(stopped); works(t, r.mail.Run, 2*time.Second) }()
		<-time.After(time.Second)
		if res, err := r.pay.Capture(t.Context(), tenant, p.ID, 0, idempotency.Key{}); err != nil || !res.Operation.Outcome.Open() {
			t.Fatalf("%v, %+v", err, res)
		}
		if len(found) != 3 {
			t.Fatalf("%+v", found)
		}
		for i, one := range found {
			if err := one.Erase(t.Context()); !fault.Is(err, fault.Conflict) || (one.Pending == "") != (i < 2) {
				t.Errorf("%s: %v, %q", one.ID, err, one.Pending)
			}
		}
		close(slow)
		<-stopped
	})
}

func TestAQueuedMessageIsCanceledAndNeverSent(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		later := draft("ada@example.com", "bob@example.com")
		later.SendAt = time.Now().Add(time.Hour)
		m := r.write(t, later, idempotency.Key{})
		if counts, _, err := r.erase(t, personaldata.Who{Tenant: tenant, Email: "ada@example.com"}); err != nil || !strings.HasPrefix(counts, "messages 1/1/0") {
			t.Fatalf("%v, %s", err, counts)
		}
		works(t, r.mail.Run, 2*time.Hour)
		m, err := r.mail.Get(t.Context(), tenant, m.ID)
		if err != nil || m.Status != email.Canceled || len(m.Attempts) > 0 || m.To[1].Email != "bob@example.com" || m.Recipients[0].Email != email.ErasedAddress {
			t.Errorf("%v, %+v", err, m)
		}
		for name, again := range map[string]func(context.Context, string, string) (email.Message, error){"retry": r.mail.Retry, "cancel": r.mail.Cancel} {
			if _, err := again(t.Context(), tenant, m.ID); fault.From(err).Code != "message_erased" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
