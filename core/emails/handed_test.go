package emails_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/user"
)

// handover is a message that a client hands over.
func handover(lines ...string) emails.Handover {
	if len(lines) == 0 {
		lines = []string{"", "Hello Ada"}
	}
	head := []string{"From: Shop <shop@example.com>", "To: Ada <ada@example.com>", "Subject: Hello", "Message-ID: <one@client.example>"}
	return emails.Handover{
		Caller: "key_1", Sender: "bounces@example.com", Recipients: []string{"ada@example.com"},
		Raw: []byte(strings.Join(append(head, lines...), "\r\n") + "\r\n"),
	}
}

func (h *house) handOver(t *testing.T, m emails.Handover) (email.Message, bool) {
	t.Helper()
	got, replayed, err := h.HandOver(t.Context(), tenant, m)
	if err != nil {
		t.Fatal(err)
	}
	return got, replayed
}

func TestAMessageThatWasHandedOverIsSentAsItIs(t *testing.T) {
	for name, size := range map[string]int{"a small one": 1, "a large one": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 0, once(fault.Unavailable), func(t *testing.T, h *house) {
				h.provider.features.MIME = true
				in := handover("DKIM-Signature: v=1", "", strings.Repeat("x\r\n", size))
				in.Recipients = []string{"audit@example.com", "ada@example.com"}
				m, _ := h.handOver(t, in)
				<-time.After(time.Minute)
				if len(h.provider.letters) != 1 {
					t.Fatalf("%d were sent, want 1", len(h.provider.letters))
				}
				out := h.provider.letters[0]
				if !bytes.Equal(out.MIME(), in.Raw) {
					t.Errorf("%d bytes were sent, want the %d that were handed over", len(out.MIME()), len(in.Raw))
				}
				equal(t, "sender of the envelope", out.Envelope.Sender, in.Sender)
				equal(t, "named recipient", out.To[0], email.Address{Email: "ada@example.com", Name: "Ada"})
				equal(t, "hidden recipient", out.Bcc[0], email.Address{Email: "audit@example.com"})
				equal(t, "Message-ID", out.MessageID, "one@client.example")
				equal(t, "status", h.get(t, m.ID).Status, email.Sent)
			})
		})
	}
}

func (h *house) get(t *testing.T, id string) email.Message {
	t.Helper()
	m, err := h.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMessageIsTakenApartForAProviderWithoutMIME(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		h.provider.features = email.Features{Attachments: true, Headers: true}
		h.handOver(t, handover("X-Campaign: spring", "Content-Type: multipart/mixed; boundary=b", "", "--b", "", "Hello", "--b",
			"Content-Type: application/pdf; name=a.pdf", "", "PDF", "--b--"))
		synctest.Wait()
		if len(h.provider.letters) != 1 {
			t.Fatalf("%d were sent, want 1", len(h.provider.letters))
		}
		out := h.provider.letters[0]
		if out.Envelope != nil {
			t.Error("it has an envelope, want none: the provider would not know what to do with it")
		}
		equal(t, "text", out.Text, "Hello")
		equal(t, "subject", out.Subject, "Hello")
		equal(t, "header", out.Headers["X-Campaign"], "spring")
		equal(t, "files", len(out.Attachments), 1)
		equal(t, "file", string(out.Attachments[0].Content), "PDF")
	})
}

func TestAProviderThatCannotCarryAHandedOverMessageIsNotAsked(t *testing.T) {
	all := email.Features{Attachments: true, Inline: true, Headers: true, MultiReply: true}
	with := func(change func(*email.Features)) email.Features {
		f := all
		change(&f)
		return f
	}
	file := []string{"Content-Type: multipart/mixed; boundary=b", "", "--b", "", "Hello", "--b", "Content-Type: application/pdf; name=a.pdf", "", "PDF", "--b--"}
	to := func(h emails.Handover, all ...string) emails.Handover { h.Recipients = all; return h }
	for name, c := range map[string]struct {
		features email.Features
		in       emails.Handover
		lacks    string // empty if it is carried
	}{
		"a plain text": {email.Features{}, handover(), ""},
		"a domain that the provider does not send for": {with(func(f *email.Features) { f.SendsFor = func(string) bool { return false } }), handover(), "from"},
		"a signature":           {all, handover("DKIM-Signature: v=1", "", "Hello"), "mime"},
		"a signature, and MIME": {email.Features{MIME: true}, handover("DKIM-Signature: v=1", "", "Hello"), ""},
		"more bytes of MIME than the provider takes": {email.Features{MIME: true, MaxMIME: 100}, handover(), "attachments"},
		"hidden recipients beside a named one":       {all, to(handover(), "ada@example.com", "audit@example.com"), ""},
		"hidden recipients alone":                    {all, to(handover(), "audit@example.com"), "mime"},
		"hidden recipients alone, and MIME":          {email.Features{MIME: true}, to(handover(), "audit@example.com"), ""},
		"others in the headers":                      {all, handover("Cc: eve@example.com", "", "Hello"), "mime"},
		"a file":                                     {all, handover(file...), ""},
		"a file, and no attachments":                 {with(func(f *email.Features) { f.Attachments = false }), handover(file...), "attachments"},
		"a file that is too large":                   {with(func(f *email.Features) { f.MaxAttachments = 2 }), handover(file...), "attachments"},
		"a header, and no headers":                   {with(func(f *email.Features) { f.Headers = false }), handover("X-A: b", "", "Hello"), "headers"},
		"two to be replied to":                       {with(func(f *email.Features) { f.MultiReply = false }), handover("Reply-To: a@example.com, b@example.com", "", "Hello"), "replyTo"},
		"an empty text":                              {all, handover("", ""), ""},
		"no text":                                    {all, emails.Handover{Recipients: []string{"ada@example.com"}, Raw: []byte("From: shop@example.com\r\nTo: ada@example.com\r\n\r\n")}, "mime"},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 0, nil, func(t *testing.T, h *house) {
				h.provider.features = c.features
				_, _, err := h.HandOver(t.Context(), tenant, c.in)
				if c.lacks == "" {
					if err != nil {
						t.Errorf("error %v, want none", err)
					}
					return
				}
				if !fault.Is(err, fault.Unsupported) || fault.From(err).Param != c.lacks {
					t.Errorf("error %v, want unsupported for %s", err, c.lacks)
				}
			})
		})
	}
}

func TestWhatIsHandedOverTwiceIsOneMessage(t *testing.T) {
	two := func(h emails.Handover) emails.Handover {
		h.Recipients = []string{"ada@example.com", "eve@example.com"}
		return h
	}
	for name, c := range map[string]struct {
		change func(h *emails.Handover)
		same   bool
	}{
		"the same": {func(*emails.Handover) {}, true},
		"the recipients in another order and case": {func(h *emails.Handover) { h.Recipients = []string{"Eve@example.com", "ada@example.com"} }, true},
		"one recipient less":                       {func(h *emails.Handover) { h.Recipients = h.Recipients[:1] }, false},
		"another sender":                           {func(h *emails.Handover) { h.Sender = "" }, false},
		"another caller":                           {func(h *emails.Handover) { h.Caller = "key_2" }, false},
		"another text":                             {func(h *emails.Handover) { h.Raw = append(slices.Clone(h.Raw), "more\r\n"...) }, false},
		"another Message-ID":                       {func(h *emails.Handover) { h.Raw = bytes.Replace(h.Raw, []byte("<one@"), []byte("<two@"), 1) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 0, nil, func(t *testing.T, h *house) {
				first, _ := h.handOver(t, two(handover()))
				<-time.After(time.Hour)
				again := two(handover())
				c.change(&again)
				second, replayed := h.handOver(t, again)
				synctest.Wait()
				equal(t, "one message", first.ID == second.ID, c.same)
				equal(t, "replayed", replayed, c.same)
				copies := 2
				if c.same {
					copies = 1
				}
				equal(t, "copies", len(h.provider.letters), copies)
			})
		})
	}
}

func TestAKeyForAHandedOverMessageIsKeptFor72Hours(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		first, _ := h.handOver(t, handover())
		<-time.After(71 * time.Hour)
		_, replayed := h.handOver(t, handover())
		equal(t, "replayed after 71 hours", replayed, true)
		<-time.After(3 * time.Hour)
		later, replayed := h.handOver(t, handover())
		equal(t, "replayed after 74 hours", replayed, false)
		equal(t, "one message", later.ID == first.ID, false)
	})
}

func TestAMessageWithoutAnyIDIsNewEachTime(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		in := handover()
		in.Raw = bytes.Replace(in.Raw, []byte("Message-ID: <one@client.example>\r\n"), nil, 1)
		first, _ := h.handOver(t, in)
		second, _ := h.handOver(t, in)
		equal(t, "one message", first.ID == second.ID, false)
		equal(t, "Message-ID", first.MessageID, first.ID+"@example.com")
	})
}

func TestAHandedOverMessageIsErasedAndPurged(t *testing.T) {
	const secret = "what nobody may read any more"
	inHouse(t, retention, nil, func(t *testing.T, h *house) {
		h.provider.features.MIME = true
		large := handover("", strings.Repeat(secret+"\r\n", 10_000))
		m, _ := h.handOver(t, large)
		<-time.After(time.Minute)
		equal(t, "parts", h.parts(t) > 0, true)
		err := h.PersonalObjects(t.Context(), user.Person{Tenant: tenant, Emails: []string{"ada@example.com"}}, func(int) error { return nil }, func(o user.PersonalObject) error {
			return o.Erase(t.Context())
		})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "parts of an erased message", h.parts(t), 0)
		equal(t, "text of an erased message", h.get(t, m.ID).MIME() == nil, true)

		large.Recipients = []string{"eve@example.com"}
		old, _ := h.handOver(t, large)
		<-time.After(retention + 10*time.Hour)
		equal(t, "parts of an old message", h.parts(t), 0)
		equal(t, "text of an old message", h.get(t, old.ID).MIME() == nil, true)
	})
}

func TestATenantHandsOverOnlyAsItsSenders(t *testing.T) {
	from := func(sender string, lines ...string) emails.Handover {
		h := handover(lines...)
		h.Sender = sender
		return h
	}
	for name, c := range map[string]struct {
		allowed []string
		in      emails.Handover
		refused bool
	}{
		"its own":                       {[]string{"*@example.com"}, from("bounces@example.com"), false},
		"nothing to be returned":        {[]string{"*@example.com"}, from(""), false},
		"another's in From":             {[]string{"*@club.example"}, from("a@club.example"), true},
		"another's in the envelope":     {[]string{"*@example.com"}, from("a@club.example"), true},
		"another's in Sender":           {[]string{"*@example.com"}, from("", "Sender: boss@club.example", "", "Hello"), true},
		"another's beside its own":      {[]string{"*@example.com"}, emails.Handover{Recipients: []string{"ada@example.com"}, Raw: []byte("From: a@example.com, boss@club.example\r\n\r\nHello\r\n")}, true},
		"a tenant that is not confined": {nil, from("a@club.example"), false},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 0, nil, func(t *testing.T, h *house) {
				h.provider.features.MIME = true
				if c.allowed != nil {
					h.Senders = emails.Senders{Allowed: map[string][]string{tenant: c.allowed}}
				}
				_, _, err := h.HandOver(t.Context(), tenant, c.in)
				if got := fault.Is(err, fault.Invalid) && fault.From(err).Param == "from"; got != c.refused || err != nil && !got {
					t.Errorf("error %v, want refused for its sender: %t", err, c.refused)
				}
			})
		})
	}
}

func TestAHandedOverMessageThatIsNoneIsRefused(t *testing.T) {
	for name, in := range map[string]emails.Handover{
		"a header that would tell a provider what to do": handover("X-Mailgun-Drop-Message: yes", "", "Hello"),
		"a category that is empty":                       handover("X-Patchbay-Category:", "", "Hello"),
		"a category of spaces":                           handover("X-Patchbay-Category: \r\n ", "", "Hello"),
		"two categories":                                 handover("X-Patchbay-Category: marketing", "X-Patchbay-Category: transactional", "", "Hello"),
		"the same category twice":                        handover("X-Patchbay-Category: marketing", "x-patchbay-category: marketing", "", "Hello"),
		"a category and an empty one":                    handover("X-Patchbay-Category: marketing", "X-Patchbay-Category:", "", "Hello"),
		"an idempotency key that is empty":               handover("X-Idempotency-Key:", "", "Hello"),
		"two idempotency keys":                           handover("X-Idempotency-Key: one", "X-Idempotency-Key: two", "", "Hello"),
		"an empty idempotency key, and a key":            handover("X-Idempotency-Key:", "X-Idempotency-Key: two", "", "Hello"),
		"no mail":                                        {Recipients: []string{"ada@example.com"}, Raw: []byte("Hello\r\n")},
		"nobody to":                                      {Raw: handover().Raw},
		"a sender that is none":                          {Recipients: []string{"ada@example.com"}, Raw: []byte("From: <shop@>\r\n\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 0, nil, func(t *testing.T, h *house) {
				h.provider.features.MIME = true
				if _, _, err := h.HandOver(t.Context(), tenant, in); !fault.Is(err, fault.Invalid) {
					t.Errorf("error %v, want invalid", err)
				}
			})
		})
	}
}
