package emails_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// secret is in everything that a message of these tests says.
const secret = "reset-4711"

// secretDraft is a message with a secret in each field that belongs to what it says, and a file that is
// kept in parts.
func secretDraft(keeping email.Keeping) email.Draft {
	d := draft()
	d.Subject, d.HTML, d.Text, d.Keeping = secret, "<p>"+secret+"</p>", secret, keeping
	d.Headers = map[string]string{"X-Code": secret}
	d.Attachments = []email.Attachment{
		{Filename: "note", ContentType: "text/plain", Content: []byte(secret)},
		{Filename: secret, ContentType: "text/plain", Content: bytes.Repeat([]byte(secret), 20_000)},
	}
	return d
}

// holdsSecret reports whether anything that is stored of a message has the secret.
func (h *house) holdsSecret(t *testing.T, id string) bool {
	t.Helper()
	r := h.stored(t, id)
	return bytes.Contains(r.Body, []byte(secret)) || bytes.Contains(r.Content, []byte(secret)) || h.parts(t) > 0
}

// codeOf returns the code of an error, "" for none.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.From(err).Code
}

func TestWhatIsNotKeptIsRemovedByTheSaveThatEndsTheMessage(t *testing.T) {
	ends := []struct {
		name   string
		fail   func(int) error
		change func(d *email.Draft)
		act    func(t *testing.T, h *house, id string)
		status email.Status
	}{
		{"sent", nil, nil, nil, email.Sent},
		{"sent after the provider was down", once(fault.Unavailable), nil, nil, email.Sent},
		{"sent again after an unknown outcome", once(fault.UnknownOutcome), nil, nil, email.Sent},
		{"refused", always(fault.Invalid), nil, nil, email.Failed},
		{"given up after the last attempt", always(fault.Unavailable), nil, nil, email.Failed},
		{"unknown under at_most_once", always(fault.UnknownOutcome), func(d *email.Draft) { d.Delivery = email.AtMostOnce }, nil, email.Unknown},
		{"canceled", nil, func(d *email.Draft) { d.SendAt = time.Now().Add(time.Hour) }, func(t *testing.T, h *house, id string) {
			if _, err := h.Cancel(t.Context(), tenant, id); err != nil {
				t.Fatal(err)
			}
		}, email.Canceled},
	}
	for _, keeping := range []email.Keeping{email.Keep, email.UntilSent, email.Never} {
		for _, end := range ends {
			t.Run(string(keeping)+", "+end.name, func(t *testing.T) {
				inHouse(t, 0, end.fail, func(t *testing.T, h *house) {
					h.provider.features.Headers = true
					d := secretDraft(keeping)
					if end.change != nil {
						end.change(&d)
					}
					m := h.accept(t, d, idempotency.Key{})
					if end.act != nil {
						end.act(t, h, m.ID)
					}
					<-time.After(60 * time.Hour)
					got, err := h.Get(t.Context(), tenant, m.ID)
					if err != nil {
						t.Fatal(err)
					}
					equal(t, "status", got.Status, end.status)
					equal(t, "the secret is stored", h.holdsSecret(t, m.ID), keeping == email.Keep)
					wantCode := map[email.Keeping]string{email.UntilSent: "content_removed", email.Never: "content_removed"}[keeping]
					_, err = h.Content(t.Context(), tenant, m.ID, nil)
					equal(t, "code of reading it", codeOf(err), wantCode)
					if sent := h.provider.letters; len(sent) > 0 {
						last := sent[len(sent)-1]
						equal(t, "the subject that went out", last.Subject, secret)
						equal(t, "bytes of files that went out", last.AttachmentBytes(), d.Attachments[0].Bytes()+d.Attachments[1].Bytes())
					}
				})
			})
		}
	}
}

// A provider may quote what it refuses.
func TestTheWordsOfARefusalAreKeptNoLonger(t *testing.T) {
	refuses := func(int) error {
		return &fault.Error{Kind: fault.Invalid, Code: "rejected", Answer: &fault.Answer{Status: 400, Field: "content", Words: "no such code: " + secret}}
	}
	for keeping, kept := range map[email.Keeping]bool{email.Keep: true, email.UntilSent: false, email.Never: false} {
		t.Run(string(keeping), func(t *testing.T) {
			inHouse(t, 0, refuses, func(t *testing.T, h *house) {
				d := draft()
				d.Keeping = keeping
				m := h.accept(t, d, idempotency.Key{})
				<-time.After(time.Minute)
				equal(t, "the secret is stored", h.holdsSecret(t, m.ID), kept)
				got, err := h.Get(t.Context(), tenant, m.ID)
				if err != nil || got.LastAttempt().Answer == nil {
					t.Fatalf("the attempt is %+v, and %v, want one with an answer", got.LastAttempt(), err)
				}
				last := got.LastAttempt()
				equal(t, "status, field and code", fmt.Sprint(last.Answer.Status, last.Answer.Field, last.Code), "400contentrejected")
				shown := got.Shown()
				equal(t, "words are kept", shown.LastAttempt().Answer.Words != "", kept)
			})
		})
	}
}

// The state of a message comes first: that its text is removed is a reason only where it could be sent
// again otherwise.
func TestWhatWasRemovedCannotBeSentAgain(t *testing.T) {
	const state = "unexpected_state"
	for name, tt := range map[string]struct {
		keeping                   email.Keeping
		fail                      func(int) error
		expires, after            time.Duration // expires is 0 for never
		retry, reschedule, cancel string        // codes, empty for none
	}{
		"failed, and kept":            {email.Keep, once(fault.Invalid), 0, time.Minute, "", state, state},
		"failed, and not kept":        {email.UntilSent, once(fault.Invalid), 0, time.Minute, "content_removed", state, state},
		"failed, and never readable":  {email.Never, once(fault.Invalid), 0, time.Minute, "content_removed", state, state},
		"failed, and kept for long":   {email.Keep, once(fault.Invalid), 0, 2 * retention, "message_purged", state, state},
		"expired":                     {email.Keep, always(fault.Unavailable), time.Hour, 2 * time.Hour, "message_expired", state, state},
		"sent, and kept":              {email.Keep, nil, 0, time.Minute, state, state, state},
		"sent, and not kept":          {email.UntilSent, nil, 0, time.Minute, state, state, state},
		"sent, and never readable":    {email.Never, nil, 0, time.Minute, state, state, state},
		"sent, and kept for long":     {email.Keep, nil, 0, 2 * retention, state, state, state},
		"sent, and expired meanwhile": {email.Keep, nil, time.Hour, 2 * time.Hour, state, state, state},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, retention, tt.fail, func(t *testing.T, h *house) {
				d := draft()
				d.Keeping = tt.keeping
				if tt.expires > 0 {
					d.ExpiresAt = time.Now().Add(tt.expires)
				}
				m := h.accept(t, d, idempotency.Key{})
				<-time.After(tt.after)
				_, err := h.Reschedule(t.Context(), tenant, m.ID, time.Now().Add(time.Minute))
				equal(t, "code of another time", codeOf(err), tt.reschedule)
				_, err = h.Cancel(t.Context(), tenant, m.ID)
				equal(t, "code of a cancel", codeOf(err), tt.cancel)
				_, err = h.Retry(t.Context(), tenant, m.ID)
				equal(t, "code of a retry", codeOf(err), tt.retry)
			})
		})
	}
}

func TestARepeatOfTheRequestIsAnsweredAlikeWhateverIsKept(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		d := secretDraft(email.UntilSent)
		d.Headers = nil
		first := h.accept(t, d, key("k"))
		<-time.After(time.Minute)
		again, replayed, err := h.Accept(t.Context(), tenant, d, key("k"))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "replayed", replayed, true)
		equal(t, "id", again.ID, first.ID)
		equal(t, "copies", h.provider.copies(first.ID), 1)
	})
}

func TestWhatMayBeReadBeforeItIsSent(t *testing.T) {
	for keeping, want := range map[email.Keeping]string{"": "", email.Keep: "", email.UntilSent: "", email.Never: "content_private"} {
		t.Run(cmp.Or(string(keeping), "no word"), func(t *testing.T) {
			inHouse(t, 0, nil, func(t *testing.T, h *house) {
				h.provider.features.Headers = true
				d := secretDraft(keeping)
				d.SendAt = time.Now().Add(time.Hour)
				m := h.accept(t, d, idempotency.Key{})
				synctest.Wait()
				c, err := h.Content(t.Context(), tenant, m.ID, nil)
				equal(t, "code", codeOf(err), want)
				_, file, ferr := h.OpenFile(t.Context(), tenant, m.ID, 1)
				equal(t, "code of the file", codeOf(ferr), want)
				if want != "" {
					equal(t, "subject that is shown", m.Shown().Subject, "")
					return
				}
				equal(t, "subject", c.Subject, secret)
				equal(t, "html", c.HTML, d.HTML)
				equal(t, "text", c.Text, secret)
				equal(t, "header", c.Headers["X-Code"], secret)
				equal(t, "files", len(c.Attachments), 2)
				raw, err := io.ReadAll(file)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "the file is the one that was sent", bytes.Equal(raw, d.Attachments[1].Content), true)
			})
		})
	}
}

func TestFilesAreReadPartByPart(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		d := laden(3<<20, 7<<20, 5, 4<<20)
		m := h.accept(t, d, idempotency.Key{})
		<-time.After(time.Minute)
		for i, want := range d.Attachments {
			a, file, err := h.OpenFile(t.Context(), tenant, m.ID, i)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(file)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, a.Filename+" is whole", bytes.Equal(raw, want.Content), true)
			equal(t, a.Filename+" is as long as it says", a.Size, len(want.Content))
		}
		_, _, err := h.OpenFile(t.Context(), tenant, m.ID, 4)
		equal(t, "code of a file that there is not", codeOf(err), "no_such_attachment")
	})
}

func TestAFileThatIsRemovedWhileItIsReadEndsWithAnError(t *testing.T) {
	inHouse(t, retention, nil, func(t *testing.T, h *house) {
		m := h.accept(t, laden(9<<20), idempotency.Key{})
		<-time.After(time.Minute)
		_, file, err := h.OpenFile(t.Context(), tenant, m.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(file, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * retention)
		rest, err := io.ReadAll(file)
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%d more bytes and %v, want not_found", len(rest), err)
		}
		_, err = h.Content(t.Context(), tenant, m.ID, nil)
		equal(t, "code of reading it", codeOf(err), "message_purged")
	})
}
