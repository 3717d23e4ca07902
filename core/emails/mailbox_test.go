package emails_test

import (
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/idempotency"
)

// One mailbox, whose domain the caller writes in its own script or in ASCII.
const (
	inUnicode = "Bob@Bücher.example"
	inASCII   = "bob@XN--bcher-kva.example"
)

func TestAnEventIsAboutARecipientHoweverItsAddressIsWritten(t *testing.T) {
	for written, told := range map[string]string{inUnicode: inASCII, inASCII: inUnicode} {
		t.Run(written, func(t *testing.T) {
			inOffice(t, nil, nil, nil, func(t *testing.T, o *office) {
				m := o.accept(t, email.AtMostOnce, written)
				n := news(m, 0, email.EventBounced)
				n.Recipient = told
				o.hear(t, "first", n)
				got := o.get(t, m.ID)
				equal(t, "the recipients", states(got), "sent bounced")
			})
		})
	}
}

func TestAMessageIsHandedOverOnceHoweverItsRecipientIsWritten(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		h.ASCIIAddress, h.provider.features.MIME = rfc5322.ASCII, true
		in := handover()
		in.Recipients = []string{inASCII}
		m, _ := h.handOver(t, in)
		in.Recipients = []string{inUnicode}
		again, replayed := h.handOver(t, in)
		equal(t, "the message", again.ID, m.ID)
		equal(t, "replayed", replayed, true)
	})
}

// A provider would refuse the call, or could not tell which copy an event is about.
func TestCopiesForOneMailboxAreInMessagesOfTheirOwn(t *testing.T) {
	provider := merging("first", nil)
	withBatches(t, []*line{provider}, func(t *testing.T, o *batchRig) {
		d := batchOf(3)
		d.Personalizations[0].To, d.Personalizations[2].To = []email.Address{{Email: inUnicode}}, []email.Address{{Email: inASCII}}
		o.send(t, d, idempotency.Key{})
		<-time.After(time.Minute)
		synctest.Wait()
		equal(t, "calls", len(provider.calls), 2)
	})
}
