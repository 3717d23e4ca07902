package personaldata_test

import (
	"strings"
	"testing"

	"patchbay/core/email"
	"patchbay/core/idempotency"
	"patchbay/core/personaldata"
)

// What a provider told of the person's copy goes with the message, before the erasure and
// after it; what it told of another's stays. The feed never had it.
func TestAnErasureTakesWhatWasToldOfMail(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		d := draft("ada@example.com", "bob@example.com")
		d.To[0].Name = "Ada " + secret
		m := r.write(t, d, idempotency.Key{})
		m, err := r.mail.Get(t.Context(), tenant, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		r.hearOf(t, "evt_1", m, email.EventBounced, "ada@example.com", "550 the mailbox of "+secret+" is full")
		r.hearOf(t, "evt_2", m, email.EventDeferred, "bob@example.com", "450 greylisted")
		r.hearOf(t, "evt_3", m, email.EventOpened, "ada@example.com", "")
		who := personaldata.Who{Tenant: tenant, Email: "Ada@example.com"}
		document, _ := r.export(t, who)
		if !strings.Contains(document, "evt_1") || !strings.Contains(document, "evt_3") || strings.Contains(document, "evt_2") {
			t.Errorf("%s", document)
		}
		counts, pending, err := r.erase(t, who)
		if err != nil || counts != "messages 1/1/0 payments 0/0/0 webhooks 3/3/0 users 0/0/0" {
			t.Fatalf("%v, %s, %+v", err, counts, pending)
		}
		r.hearOf(t, "evt_4", m, email.EventComplained, "ada@example.com", secret+" complains")
		r.clean(t)
		if m, err = r.mail.Get(t.Context(), tenant, m.ID); err != nil || m.Recipients[0].Status != "bounced" || m.Recipients[1].Status != "deferred" {
			t.Errorf("%v, %+v", err, m.Recipients)
		}
	})
}
