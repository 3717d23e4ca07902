package emails_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/suppression"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// storedSecret counts the records of a kind that have the secret.
func storedSecret(t *testing.T, j *memjournal.Journal, kind string) (n int) {
	t.Helper()
	raw := record.Raw(j, kind)
	err := raw.Walk(t.Context(), tenant, ports.Filter{}, nil, func(r ports.Record) error {
		whole, err := raw.Get(t.Context(), tenant, r.ID)
		if bytes.Contains(whole.Body, []byte(secret)) || bytes.Contains(whole.Content, []byte(secret)) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestASuppressedMessageLosesWhatIsNotKept(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.suppress(t, "ada", suppression.Manual)
		d := draft()
		d.Subject, d.Keeping = secret, email.UntilSent
		m, _, err := b.Accept(t.Context(), tenant, d, idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		equal(t, "status", b.get(t, m.ID).Status, email.Suppressed)
		equal(t, "records with the secret", storedSecret(t, b.journal, emails.Kind), 0)
	})
}

func TestAnEventAboutWhatIsNotKeptIsNotKeptEither(t *testing.T) {
	for keeping, kept := range map[email.Keeping]bool{email.Keep: true, email.UntilSent: false, email.Never: false} {
		t.Run(string(keeping), func(t *testing.T) {
			inOffice(t, nil, nil, nil, func(t *testing.T, o *office) {
				d := draft()
				d.Keeping = keeping
				m, _, err := o.Accept(t.Context(), tenant, d, idempotency.Key{})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				n := news(o.get(t, m.ID), 0, email.EventBounced)
				n.Code, n.Reason = "5.2.2", "mailbox is full; it said "+secret
				applied := o.hear(t, "first", n)
				equal(t, "the event is erased", applied.Erased, !kept)
				f, _ := o.get(t, m.ID).Recipients[0].Fate()
				equal(t, "code", f.Code, "5.2.2")
				equal(t, "a reason is kept", f.Reason != "", kept)
			})
		})
	}
}

// Whatever a provider tells of a message may quote its subject, also if nobody here knows what it tells.
func TestAnEventOfAnUnknownTypeIsKeptNoLonger(t *testing.T) {
	for keeping, kept := range map[email.Keeping]bool{email.Keep: true, email.UntilSent: false, email.Never: false} {
		t.Run(string(keeping), func(t *testing.T) {
			inOffice(t, nil, nil, nil, func(t *testing.T, o *office) {
				d := draft()
				d.Keeping = keeping
				m, _, err := o.Accept(t.Context(), tenant, d, idempotency.Key{})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				n := email.Notification{Tenant: tenant, Message: m.ID} // of no event
				equal(t, "the event is erased", o.hear(t, "first", n).Erased, !kept)
				n.Message = "msg_elsewhere"
				equal(t, "one about another installation's message is erased", o.hear(t, "first", n).Erased, false)
				equal(t, "counted", fmt.Sprint(o.counted), "[first ignored_unknown_type first ignored_unknown_type]")
			})
		})
	}
}

func TestAnEventOfAnUnknownTypeWaitsForTheStore(t *testing.T) {
	down := func(op string) error {
		if op == "get" {
			return fault.New(fault.Unavailable, "down", "")
		}
		return nil
	}
	inOffice(t, nil, nil, down, func(t *testing.T, o *office) {
		_, err := o.apply(t, "first", email.Notification{Tenant: tenant, Message: "msg_1"})
		equal(t, "kind", fault.KindOf(err), fault.Unavailable)
		equal(t, "counted", len(o.counted), 0)
	})
}

func TestTheMessagesOfABatchAreKeptAsLongAsItSays(t *testing.T) {
	for name, provider := range map[string]*line{"in one call": merging("first", nil), "one by one": single("first", nil)} {
		for keeping, want := range map[email.Keeping]int{email.Keep: 3, email.UntilSent: 0} {
			t.Run(fmt.Sprint(keeping, ", ", name), func(t *testing.T) {
				provider := &line{name: "first", features: provider.features, sent: map[string][]string{}}
				withBatches(t, []*line{provider}, func(t *testing.T, o *batchRig) {
					d := batchOf(3)
					d.Keeping = keeping
					for i := range d.Personalizations {
						d.Personalizations[i].TemplateData = fmt.Appendf(nil, `{"name":"U%d","code":%q}`, i, secret)
					}
					o.send(t, d, idempotency.Key{})
					<-time.After(time.Minute)
					provider.got(t, 3, 1)
					if n := storedSecret(t, o.journal, emails.Kind); n > want || (n == 0) != (want == 0) {
						t.Errorf("%d records have the secret, want %d at most, and none only if it is not kept", n, want)
					}
				})
			})
		}
	}
}

func TestACopyOfABatchIsReadByItsPlace(t *testing.T) {
	provider := merging("first", nil)
	withBatches(t, []*line{provider}, func(t *testing.T, o *batchRig) {
		o.send(t, batchOf(3), idempotency.Key{})
		<-time.After(time.Minute)
		page, err := o.List(t.Context(), tenant, emails.Filter{}, "", 10)
		if err != nil || len(page.Messages) != 1 {
			t.Fatalf("%d messages and %v, want one", len(page.Messages), err)
		}
		id, place := page.Messages[0].ID, 2
		c, err := o.Content(t.Context(), tenant, id, &place)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "text", c.Text, "Hello U2")
		equal(t, "data", string(c.TemplateData), `{"name":"U2"}`)
		_, err = o.Content(t.Context(), tenant, id, nil)
		equal(t, "code without a place", codeOf(err), "personalization_missing")
		place = 3
		_, err = o.Content(t.Context(), tenant, id, &place)
		equal(t, "code of a place that there is not", codeOf(err), "no_such_personalization")
	})
}
