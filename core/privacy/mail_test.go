package privacy_test

import (
	"strings"
	"testing"

	"patchbay/core/idem"
	"patchbay/core/message"
	"patchbay/core/privacy"
)

// What a provider told of the person's copy goes with the message, before the erasure and
// after it; what it told of another's stays. The feed never had it.
func TestAnErasureTakesWhatWasToldOfMail(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		d := draft("ada@example.com", "bob@example.com")
		d.To[0].Name = "Ada " + secret
		m := r.write(t, d, idem.Key{})
		m, err := r.mail.Get(t.Context(), tenant, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		r.hearOf(t, "evt_1", m, message.EventBounced, "ada@example.com", "550 the mailbox of "+secret+" is full")
		r.hearOf(t, "evt_2", m, message.EventDeferred, "bob@example.com", "450 greylisted")
		r.hearOf(t, "evt_3", m, message.EventOpened, "ada@example.com", "")
		who := privacy.Who{Tenant: tenant, Email: "Ada@example.com"}
		document, _ := r.export(t, who)
		if !strings.Contains(document, "evt_1") || !strings.Contains(document, "evt_3") || strings.Contains(document, "evt_2") {
			t.Errorf("%s", document)
		}
		counts, pending, err := r.erase(t, who)
		if err != nil || counts != "messages 1/1/0 payments 0/0/0 webhooks 3/3/0 users 0/0/0" {
			t.Fatalf("%v, %s, %+v", err, counts, pending)
		}
		r.hearOf(t, "evt_4", m, message.EventComplained, "ada@example.com", secret+" complains")
		r.clean(t)
		if m, err = r.mail.Get(t.Context(), tenant, m.ID); err != nil || m.Recipients[0].Status != "bounced" || m.Recipients[1].Status != "deferred" {
			t.Errorf("%v, %+v", err, m.Recipients)
		}
	})
}
