package mailtest

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/template"
	"patchbay/tests/contract/internal/suite"
)

// way is a way to merge the copies of a batch into one call: each has a content of its own, or data
// of its own for a template that the provider stores.
type way struct {
	name     string
	declared func(f email.Features) bool
	// give gives a message its template, and the i-th copy what it says to its recipient.
	give func(m *email.Message, i int)
}

var ways = []way{
	{
		"by content",
		func(f email.Features) bool { return f.Personalizations > 0 && f.MergesContent },
		func(m *email.Message, i int) {
			source := Template()
			m.TemplateID, m.Source = "local", &source
			m.Personalizations[i].Content = said(i)
		},
	},
	{
		"by data",
		func(f email.Features) bool { return f.Personalizations > 0 && f.MergesData },
		func(m *email.Message, i int) {
			m.TemplateID = StoredTemplate
			m.Personalizations[i].TemplateData = json.RawMessage(fmt.Sprintf(`{"user":{"name":"Reader %d"},"order":%d}`, i, i))
		},
	},
}

// said is what the i-th copy says: the Template, rendered with its data.
func said(i int) *template.Content {
	return &template.Content{Subject: fmt.Sprintf("Hello Reader %d", i), HTML: fmt.Sprintf("<p>Order %d of Reader %d</p>", i, i), Text: fmt.Sprintf("Order %d of Reader %d", i, i)}
}

func reader(i int) string { return fmt.Sprintf("reader-%d@example.com", i) }

// batch returns a message with n personalizations.
func (w way) batch(n int) email.Message {
	m := message()
	m.To, m.Subject, m.Text = nil, "", ""
	m.Personalizations = make([]email.Personalization, n)
	for i := range m.Personalizations {
		m.Personalizations[i].To = []email.Address{{Email: reader(i), Name: fmt.Sprintf("Reader %d", i)}}
		w.give(&m, i)
	}
	return m
}

// personalizationCases are the cases of a batch. Where a way is not declared, each of them demands
// that the batch is refused.
func personalizationCases() (all []suite.Case[NetworkHarness]) {
	for _, w := range ways {
		for _, c := range []struct {
			name, doc string
			run       func(t *testing.T, h NetworkHarness, w way)
		}{
			{
				"each copy is a message of its own",
				"Each recipient gets one message, which names no other recipient and says what is for them, in one attempt.",
				ownMessages,
			},
			{
				"a copy has what the message has",
				"Each copy has the Message-ID, Reply-To and headers of the message, and the provider keeps the marks and the metadata with each.",
				commonParts,
			},
			{
				"as many as are declared, and no more",
				"As many personalizations as are declared go out in one attempt; one more is refused with Unsupported, without an attempt.",
				asManyAsDeclared,
			},
			{
				"an address stands in one copy alone",
				"If an address belongs to two copies, whatever its case, the batch is refused with Invalid, without an attempt.",
				duplicateReader,
			},
			{
				"an address of any form gets its copy",
				"A recipient with a + in the address, in upper case, or at a domain in any script gets the copy that is for it, or the batch is refused with Invalid and nobody gets a copy.",
				addressesOfAnyForm,
			},
			{
				"a rejected batch is invalid",
				"If the provider rejects the batch, Send returns Invalid, nobody gets a copy, and the error names nobody.",
				rejectedBatch,
			},
			{
				"a batch whose answer is lost is unknown",
				"If the provider accepts the batch and the answer is lost, Send returns UnknownOutcome, and each recipient has one copy.",
				lostBatch,
			},
		} {
			all = append(all, suite.Case[NetworkHarness]{
				Name: "a batch " + w.name + ": " + c.name, Doc: c.doc,
				Run: func(t *testing.T, h NetworkHarness) {
					if !w.declared(h.Mailer.Features()) {
						wantRefused(t, h, w.batch(3))
						return
					}
					c.run(t, h, w)
				},
			})
		}
	}
	return append(all, suite.Case[NetworkHarness]{
		Name: "the content of a copy goes out unchanged",
		Doc:  "Whatever a copy says, quotes, line breaks, other scripts and what the provider would replace included, it arrives unchanged, or the batch is refused with Invalid and nobody gets a copy; a plain text arrives.",
		Run:  unchangedContent,
	})
}

// wantRefused checks that a message is refused with Unsupported, without an attempt.
func wantRefused(t *testing.T, h NetworkHarness, m email.Message) {
	t.Helper()
	before := h.Attempts()
	_, err := h.Mailer.Send(t.Context(), m)
	suite.WantKind(t, err, fault.Unsupported)
	suite.Equal(t, "attempts", h.Attempts(), before)
}

// copiesOf returns the delivered messages by the recipient that their To header names.
func copiesOf(t *testing.T, h NetworkHarness) map[string]*mail.Message {
	t.Helper()
	all := make(map[string]*mail.Message)
	for _, raw := range h.Delivered(t) {
		m := parse(t, raw)
		to := mailboxes(t, m, "To")
		if len(to) != 1 {
			t.Fatalf("To = %q, want one recipient", to)
		}
		_, address, _ := strings.Cut(to[0], "|")
		all[address] = m
	}
	return all
}

func ownMessages(t *testing.T, h NetworkHarness, w way) {
	const n = 3
	if _, err := h.Mailer.Send(t.Context(), w.batch(n)); err != nil {
		t.Fatal(err)
	}
	suite.Equal(t, "attempts", h.Attempts(), 1)
	wantDelivered(t, h.Harness, n)
	for i, raw := range h.Delivered(t) {
		for other := range n {
			if address := reader(other); strings.Contains(string(raw), address) != (h.Kept()[i].To[0] == address) {
				t.Errorf("the copy for %q is\n%s\nwant %s in that for it alone", h.Kept()[i].To, raw, address)
			}
		}
	}
	for _, kept := range h.Kept() {
		suite.Equal(t, "recipients of a copy at the provider", len(kept.To), 1)
	}
	copies := copiesOf(t, h)
	for i := range n {
		m := copies[reader(i)]
		if m == nil {
			t.Fatalf("there is no copy for %s, want one", reader(i))
		}
		wantContent(t, m, *said(i))
	}
}

// wantContent checks what a message says.
func wantContent(t *testing.T, m *mail.Message, want template.Content) {
	t.Helper()
	suite.Equal(t, "Subject", decoded(t, m, "Subject"), want.Subject)
	body := parts(t, m.Header, m.Body)
	suite.Equal(t, "the types of the parts", types(body), []string{"text/plain", "text/html"})
	suite.Equal(t, "the text", unix(body[0].content), unix(want.Text))
	suite.Equal(t, "the HTML", unix(body[1].content), unix(want.HTML))
}

// unix returns a text with its lines ended as on UNIX, and without blanks around it.
func unix(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }

func commonParts(t *testing.T, h NetworkHarness, w way) {
	m := w.batch(2)
	f := h.Mailer.Features()
	m.Tenant = "acme"
	m.Attempts = []email.Attempt{{ID: "att_0", Outcome: email.Ambiguous}, {ID: "att_1", Outcome: email.Attempting}}
	m.ReplyTo = []email.Address{{Email: "help@example.com", Name: "Hilfe für alle"}}
	if f.Headers {
		m.Headers = map[string]string{"X-Campaign": "Frühling"}
	}
	if f.Metadata {
		m.Metadata = map[string]string{"order": "17"}
	}
	m.Tags = tags(min(2, f.Tags))
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for _, got := range copiesOf(t, h) {
		h.wantMessageID(t, got, "<msg_1@example.com>")
		suite.Equal(t, "From", mailboxes(t, got, "From"), []string{"|shop@example.com"})
		suite.Equal(t, "Reply-To", mailboxes(t, got, "Reply-To"), []string{"Hilfe für alle|help@example.com"})
		if f.Headers {
			suite.Equal(t, "X-Campaign", decoded(t, got, "X-Campaign"), "Frühling")
		}
		if date, err := got.Header.Date(); err != nil {
			t.Errorf("date %s, error %v, want a valid date", date, err)
		}
	}
	kept := h.Kept()
	suite.Equal(t, "copies at the provider", len(kept), 2)
	for _, one := range kept {
		wantVariables(t, one.Variables, m)
	}
}

func asManyAsDeclared(t *testing.T, h NetworkHarness, w way) {
	n := h.Mailer.Features().Personalizations
	wantRefused(t, h, w.batch(n+1))
	if _, err := h.Mailer.Send(t.Context(), w.batch(n)); err != nil {
		t.Fatal(err)
	}
	suite.Equal(t, "attempts", h.Attempts(), 1)
	wantDelivered(t, h.Harness, n)
	suite.Equal(t, "recipients with a copy", len(copiesOf(t, h)), n)
}

func duplicateReader(t *testing.T, h NetworkHarness, w way) {
	m := w.batch(3)
	m.Personalizations[2].To = []email.Address{{Email: strings.Replace(reader(0), "reader", "Reader", 1)}}
	_, err := h.Mailer.Send(t.Context(), m)
	suite.WantKind(t, err, fault.Invalid)
	suite.Equal(t, "attempts", h.Attempts(), 0)
}

func addressesOfAnyForm(t *testing.T, h NetworkHarness, w way) {
	delivered := 0
	for address, want := range map[string]string{
		"reader+1@example.com": "reader+1@example.com", "Reader.1@EXAMPLE.com": "Reader.1@EXAMPLE.com", "reader@bücher.example": "reader@xn--bcher-kva.example",
	} {
		m := w.batch(2)
		m.Personalizations[1].To = []email.Address{{Email: address}}
		if _, err := h.Mailer.Send(t.Context(), m); err != nil {
			suite.WantKind(t, err, fault.Invalid)
			wantDelivered(t, h.Harness, delivered)
			continue
		}
		delivered += 2
		wantDelivered(t, h.Harness, delivered)
		if got := copiesOf(t, h)[want]; got == nil {
			t.Errorf("there is no copy for %s", want)
		} else {
			wantContent(t, got, *said(1))
		}
	}
	if delivered == 0 {
		t.Error("every address was refused, want that one gets its copy")
	}
}

func rejectedBatch(t *testing.T, h NetworkHarness, w way) {
	m := w.batch(3)
	h.Fail(t, Rejected, &m)
	_, err := h.Mailer.Send(t.Context(), m)
	suite.WantKind(t, err, fault.Invalid)
	wantDelivered(t, h.Harness, 0)
	h.wantNothingPrivate(t, err)
	if err != nil && strings.Contains(err.Error(), "reader") {
		t.Errorf("error %v, want one that names no recipient", err)
	}
}

func lostBatch(t *testing.T, h NetworkHarness, w way) {
	m := w.batch(3)
	h.Fail(t, ResetAfter, &m)
	_, err := h.Mailer.Send(t.Context(), m)
	suite.WantKind(t, err, fault.UnknownOutcome)
	wantDelivered(t, h.Harness, 3)
}

// contents are texts that a way of merging may change: as a template of its own, as JSON, or as a
// form.
var contents = []string{
	`50% off, 100 %, 20%25, %c3%a4, %%, % recipient %`,
	`"quoted" 'too' \n \u0026 \\ {"a":"b"}`,
	"line one\nline two\n\n\tindented\nend",
	"Grüße, 你好, 🎉 \u2028 and \u2029 end",
	"<b>&amp; &lt; < > &</b>",
	"{{name}} {{{name}}} {{#if a}}",
	"%recipient.text% %recipient.name%",
	"%recipient% %recipient_email%",
	"%unsubscribe_url% %tag_unsubscribe_url%",
	"a bell \x07 and an escape \x1b",
}

func unchangedContent(t *testing.T, h NetworkHarness) {
	w := ways[0]
	if !w.declared(h.Mailer.Features()) {
		wantRefused(t, h, w.batch(2))
		return
	}
	delivered := 0
	for _, text := range contents {
		m := w.batch(2)
		content := template.Content{Subject: strings.Join(strings.Fields(printable(text)), " "), HTML: "<p>" + text + "</p>", Text: text}
		m.Personalizations[1].Content = &content
		_, err := h.Mailer.Send(t.Context(), m)
		all := h.Delivered(t)
		if err != nil {
			suite.WantKind(t, err, fault.Invalid)
			suite.Equal(t, "messages after a refused batch", len(all), delivered)
			continue
		}
		delivered += 2
		suite.Equal(t, "messages after a batch", len(all), delivered)
		for _, raw := range all[len(all)-2:] {
			if got := parse(t, raw); slices.Equal(mailboxes(t, got, "To"), []string{"Reader 1|" + reader(1)}) {
				wantContent(t, got, content)
			}
		}
	}
	if delivered == 0 {
		t.Error("every content was refused, want that a plain one is delivered")
	}
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}
