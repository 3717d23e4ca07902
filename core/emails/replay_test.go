package emails_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/template"
)

// changes are changes of a configuration after which a request is refused that was accepted before, with
// the code of that.
var changes = map[string]struct {
	change func(o *emails.Options)
	code   string
}{
	"its template is gone":              {func(o *emails.Options) { o.Templates = sources{} }, "template_not_found"},
	"its template says too much":        {func(o *emails.Options) { o.Renderer = says(strings.Repeat("x", email.MaxBody+1)) }, "body_too_large"},
	"its template has a line break":     {func(o *emails.Options) { o.Renderer = says("a\nb") }, "invalid_subject"},
	"its recipient is not allowed":      {func(o *emails.Options) { o.Staging.Allowed = []string{"*@other.example"} }, "recipient_not_allowed"},
	"its sender is not allowed":         {func(o *emails.Options) { o.Senders.Allowed = map[string][]string{tenant: {"a@other.example"}} }, "sender_not_allowed"},
	"no provider carries it":            {func(o *emails.Options) { o.Mailers = nil }, "no_mail_provider"},
	"texts are kept for a shorter time": {func(o *emails.Options) { o.Retention = time.Minute }, "too_far_ahead"},
	"it has expired in the meantime":    {func(*emails.Options) { <-time.After(2 * time.Hour) }, "expired"},
}

// says renders every template as the same text.
type says string

func (s says) Render(template.Source, map[string]any) (template.Content, error) {
	return template.Content{Subject: string(s[:min(len(s), 9)]), HTML: string(s)}, nil
}

func TestARepeatIsAnsweredWhateverTheConfigurationSaysSince(t *testing.T) {
	for name, tt := range changes {
		t.Run(name, func(t *testing.T) {
			withBatches(t, []*line{single("first", nil)}, func(t *testing.T, o *batchRig) {
				d := templated("welcome", `{"name":"Ada"}`)
				d.SendAt, d.ExpiresAt = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
				m, _, err := o.Accept(t.Context(), tenant, d, key("k"))
				if err != nil {
					t.Fatal(err)
				}
				tt.change(&o.Options)
				again, replayed, err := o.Accept(t.Context(), tenant, d, key("k"))
				if err != nil || !replayed || again.ID != m.ID {
					t.Errorf("repeat = %q, replayed %t, %v; want %s, replayed", again.ID, replayed, err, m.ID)
				}
				_, _, err = o.Accept(t.Context(), tenant, d, key("another"))
				equal(t, "code under another key", fault.From(err).Code, tt.code)
			})
		})
	}
}

func TestARepeatOfABatchIsAnsweredWhateverTheConfigurationSaysSince(t *testing.T) {
	for name, tt := range changes {
		t.Run(name, func(t *testing.T) {
			withBatches(t, []*line{single("first", nil)}, func(t *testing.T, o *batchRig) {
				d := batchOf(3)
				d.SendAt, d.ExpiresAt = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
				b := o.send(t, d, key("k"))
				tt.change(&o.Options)
				again, replayed, err := o.AcceptBatch(t.Context(), tenant, d, key("k"))
				if err != nil || !replayed || again.ID != b.ID {
					t.Errorf("repeat = %q, replayed %t, %v; want %s, replayed", again.ID, replayed, err, b.ID)
				}
				_, _, err = o.AcceptBatch(t.Context(), tenant, d, key("another"))
				equal(t, "code under another key", fault.From(err).Code, tt.code)
			})
		})
	}
}
