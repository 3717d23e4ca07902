package emails_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/user"
)

// The only provider that can carry a message leaves the configuration.
func TestAMessageThatNoProviderCanCarry(t *testing.T) {
	tests := []struct {
		name     string
		then     func(t *testing.T, p *post, id string) error // when it was tried six times
		status   email.Status
		attempts int
	}{
		{"is given up in the end", func(*testing.T, *post, string) error { return nil }, email.Failed, 10},
		{"can be canceled meanwhile", func(t *testing.T, p *post, id string) error {
			_, err := p.Cancel(t.Context(), tenant, id)
			return err
		}, email.Canceled, 6},
		{"can be erased meanwhile", func(t *testing.T, p *post, _ string) error {
			ada := user.Person{Tenant: tenant, Emails: []string{"ada@example.com"}}
			return p.PersonalObjects(t.Context(), ada, func(int) error { return nil }, func(tr user.PersonalObject) error { return tr.Erase(t.Context()) })
		}, email.Canceled, 6},
		{"goes out when its provider is back", func(t *testing.T, p *post, _ string) error {
			p.stop()
			p.open(t, p.first, p.second)
			return nil
		}, email.Sent, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inPost(t, func(t *testing.T, p *post) {
				m := p.send(t, tenant, at(tagged(), p.start.Add(time.Hour)))
				p.stop()
				p.open(t, p.first)
				<-time.After(2 * time.Hour)
				if err := tt.then(t, p, m.ID); err != nil {
					t.Fatal(err)
				}
				<-time.After(40 * time.Hour)
				m, err := p.Get(t.Context(), tenant, m.ID)
				if err != nil || m.Status != tt.status || len(m.Attempts) != tt.attempts || p.first.tried() != 0 {
					t.Errorf("%s after %q, %v; want %s after %d attempts", m.Status, outcomes(m), err, tt.status, tt.attempts)
				}
				for _, a := range m.Attempts[:min(6, len(m.Attempts))] {
					if a.Provider != "" || a.Outcome != email.NotAccepted || a.Code != "no_provider" || a.EndedAt.IsZero() {
						t.Errorf("%+v", a)
					}
				}
			})
		})
	}
}

// A person may retry it once its provider is back; the feed tells no provider's name.
func TestAMessageThatWasGivenUpForWantOfAProviderIsRetried(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		m := p.send(t, tenant, at(tagged(), p.start.Add(time.Hour)))
		p.stop()
		p.open(t, p.first)
		<-time.After(40 * time.Hour)
		feed, err := p.journal.Feed(t.Context(), tenant, 0, 10)
		if err != nil || len(feed) == 0 {
			t.Fatal(feed, err)
		}
		if last := feed[len(feed)-1]; last.Type != "message.failed" || strings.Contains(string(last.Data), `"provider":`) {
			t.Errorf("the feed ends with %s %s", last.Type, last.Data)
		}
		p.stop()
		p.open(t, p.first, p.second)
		if _, err := p.Retry(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if m, err = p.Get(t.Context(), tenant, m.ID); err != nil || m.Status != email.Sent || p.second.copies(m.ID) != 1 {
			t.Errorf("%s, %v", m.Status, err)
		}
	})
}
