package emails_test

import (
	"testing"
	"testing/synctest"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// staged runs a test whose providers are wrapped.
func staged(t *testing.T, g emails.Staging, test func(t *testing.T, r rig)) {
	t.Helper()
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		r.first.features.Headers = true
		r.Mailers[0], r.Mailers[1] = g.Wrap(r.first), g.Wrap(r.second)
		r.Staging = g
		test(t, r)
	})
}

func TestASandboxCallsNoProvider(t *testing.T) {
	staged(t, emails.Staging{Sandbox: true}, func(t *testing.T, r rig) {
		m := r.accept(t, draft())
		synctest.Wait()
		equal(t, "calls", r.first.tried()+r.second.tried(), 0)
		equal(t, "status", r.get(t, m.ID).Status, email.Sent)
		equal(t, "reference", r.get(t, m.ID).LastAttempt().Reference, "sandbox")
	})
}

func TestARedirectedMessageReachesNoneOfItsRecipients(t *testing.T) {
	staged(t, emails.Staging{RedirectTo: email.Address{Email: "staging@example.com"}}, func(t *testing.T, r rig) {
		var got email.Message
		r.first.sending = func(m email.Message) { got = m }
		d := draft()
		d.Cc, d.Bcc = []email.Address{{Email: "cc@example.com"}}, []email.Address{{Email: "bcc@example.com"}}
		m := r.accept(t, d)
		synctest.Wait()
		equal(t, "status", r.get(t, m.ID).Status, email.Sent)
		equal(t, "recipients in to", len(got.To), 1)
		equal(t, "recipient", got.To[0].Email, "staging@example.com")
		equal(t, "recipients in cc and bcc", len(got.Cc)+len(got.Bcc), 0)
		equal(t, "X-Original-To", got.Headers["X-Original-To"], "ada@example.com, cc@example.com, bcc@example.com")
		equal(t, "recipients of the stored message", len(r.get(t, m.ID).Recipients), 3)
	})
}

func TestARedirectedBatchGoesOutOneByOne(t *testing.T) {
	first := merging("first", nil)
	f := emails.Staging{RedirectTo: email.Address{Email: "staging@example.com"}}.Wrap(first).Features()
	equal(t, "personalizations in one call", f.Personalizations, 0)
}

func TestAWrappedProviderKeepsItsAvailability(t *testing.T) {
	m := &mailer{name: "first"}
	m.leaveAlone(fault.New(fault.Unavailable, "open", ""))
	wrapped := emails.Staging{RedirectTo: email.Address{Email: "staging@example.com"}}.Wrap(m)
	if err := ports.Available(wrapped); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Available = %v, want unavailable", err)
	}
}

func TestOnlyAllowedRecipientsGetMail(t *testing.T) {
	g := emails.Staging{Allowed: []string{"Ada@Example.com", "*@test.example"}}
	for _, tt := range []struct {
		name, param string // empty if it is accepted
		draft       email.Draft
	}{
		{"an address in the list", "", email.Draft{To: []email.Address{{Email: "ada@example.com"}}}},
		{"an address of a domain in the list", "", email.Draft{To: []email.Address{{Email: "bob@TEST.example"}}}},
		{"another address of the domain of one in the list", "to[0]", email.Draft{To: []email.Address{{Email: "bob@example.com"}}}},
		{"a domain below one in the list", "to[0]", email.Draft{To: []email.Address{{Email: "bob@a.test.example"}}}},
		{"a copy", "cc[0]", email.Draft{To: []email.Address{{Email: "ada@example.com"}}, Cc: []email.Address{{Email: "eve@evil.example"}}}},
		{"a hidden copy", "bcc[0]", email.Draft{To: []email.Address{{Email: "ada@example.com"}}, Bcc: []email.Address{{Email: "eve@evil.example"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			staged(t, g, func(t *testing.T, r rig) {
				tt.draft.Subject, tt.draft.Text = "Hello", "Hello"
				_, _, err := r.Accept(t.Context(), tenant, tt.draft, idempotency.Key{})
				if f := fault.From(err); tt.param == "" && err != nil || tt.param != "" && (f.Code != "recipient_not_allowed" || f.Param != tt.param) {
					t.Errorf("error = %v, want recipient_not_allowed at %q", err, tt.param)
				}
			})
		})
	}
}

func TestABatchForOneWhoIsNotAllowedIsRefused(t *testing.T) {
	withBatches(t, []*line{single("first", nil)}, func(t *testing.T, o *batchRig) {
		o.Staging = emails.Staging{Allowed: []string{"u0@example.com"}}
		_, _, err := o.AcceptBatch(t.Context(), tenant, batchOf(2), idempotency.Key{})
		if f := fault.From(err); f.Code != "recipient_not_allowed" || f.Param != "personalizations[1].to[0]" {
			t.Errorf("error = %v at %q, want recipient_not_allowed at personalizations[1].to[0]", err, f.Param)
		}
	})
}
