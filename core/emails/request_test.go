package emails_test

import (
	"testing"
	"testing/synctest"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// sends returns what the providers are given of one draft.
func (r rig) sends(t *testing.T, d email.Draft) (provider string, got email.Message) {
	t.Helper()
	for _, m := range []*mailer{r.first, r.second} {
		m.sending = func(sent email.Message) { provider, got = m.name, sent }
	}
	r.accept(t, d)
	synctest.Wait()
	return provider, got
}

func TestATextIsDerivedUnlessTheCallerWantsNone(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		_, got := r.sends(t, draft())
		equal(t, "the derived text", got.Text, "Hello")
		d := draft()
		d.HTMLOnly = true
		_, got = r.sends(t, d)
		equal(t, "the text of html alone", got.Text, "")
		equal(t, "the html", got.HTML, d.HTML)
	})
}

func TestAThreadGoesIntoTheHeadersOfTheMessage(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		r.first.features.Headers = true
		d := draft()
		d.InReplyTo, d.References, d.Headers = "2@example.com", []string{"1@example.com", "2@example.com"}, map[string]string{"X-A": "b"}
		provider, got := r.sends(t, d)
		equal(t, "the provider that carries headers", provider, "first")
		equal(t, "In-Reply-To", got.Headers["In-Reply-To"], "<2@example.com>")
		equal(t, "References", got.Headers["References"], "<1@example.com> <2@example.com>")
		equal(t, "the caller's header", got.Headers["X-A"], "b")
		equal(t, "headers of the draft", len(d.Headers), 1)
	})
}

func TestTrackingGoesToAProviderThatDoesTheSame(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		r.second.features.Tracking = []email.Tracking{email.TrackingOff}
		d := draft()
		d.Tracking = email.TrackingOff
		provider, got := r.sends(t, d)
		equal(t, "the provider of a message without tracking", provider, "second")
		equal(t, "tracking", got.Tracking, email.TrackingOff)
		provider, got = r.sends(t, draft())
		equal(t, "the provider of a message that says nothing", provider, "first")
		equal(t, "tracking of a message that says nothing", got.Tracking, "")
		d.Tracking = email.TrackingOn
		_, _, err := r.Accept(t.Context(), tenant, d, idempotency.Key{})
		if f := fault.From(err); !fault.Is(err, fault.Unsupported) || f.Param != "tracking" {
			t.Errorf("a message that no provider can carry: error %v, want unsupported about tracking", err)
		}
	})
}

func TestTheCopiesOfABatchAreAsItsRequestSays(t *testing.T) {
	for name, open := range map[string]func(string, func(email.Message) error) *line{"together": merging, "alone": single} {
		t.Run(name, func(t *testing.T) {
			var got []email.Message
			first := open("first", func(m email.Message) error { got = append(got, m); return nil })
			first.features.Tracking = email.EachTracking()
			withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
				d := batchOf(2)
				d.Tracking, d.HTMLOnly = email.TrackingOff, true
				if _, _, err := o.AcceptBatch(t.Context(), tenant, d, idempotency.Key{}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if len(got) == 0 {
					t.Fatal("no calls, want the copies sent")
				}
				for _, m := range got {
					equal(t, "tracking", m.Tracking, email.TrackingOff)
					text := m.Text
					for _, p := range m.Personalizations {
						text += p.Content.Text
					}
					equal(t, "the derived texts", text, "")
				}
			})
		})
	}
}
