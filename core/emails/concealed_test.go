package emails_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/ports"
)

// guess is the key of a request, as somebody computes it who guesses what the request said.
func guess(value, said string) idempotency.Key {
	return idempotency.New(tenant, "POST /api/emails", value, []byte(said))
}

// tells reports whether a record has the plain digest of a key, or of the request under it.
func tells(r ports.Record, k idempotency.Key) bool {
	all := fmt.Sprintf("%s %s %s", r.Idem, r.Body, r.Content)
	digest := k.Scoped[len(k.Scoped)-hex.EncodedLen(sha256.Size):]
	return bytes.Contains([]byte(all), []byte(digest)) || bytes.Contains([]byte(all), []byte(k.Fingerprint))
}

// ofEarlier writes the record of a message as an earlier version has left it: with plain digests.
func (h *house) ofEarlier(t *testing.T, id string, k idempotency.Key) {
	t.Helper()
	r := changed(t, h.stored(t, id), func(m *email.Message) { m.Key, m.Fingerprint = k.Scoped, k.Fingerprint })
	r.Idem = k.Scoped
	if err := h.journal.Save(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
}

// The end of a message that is not kept leaves no digest of what it said, whichever version accepted it, and
// its repeat is a repeat.
func TestAFingerprintDoesNotTellWhatAnEmailSaid(t *testing.T) {
	for name, earlier := range map[string]bool{"of this version": false, "of an earlier version": true} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 0, nil, func(t *testing.T, h *house) {
				d, k := draft(), guess("order-7", secret)
				d.Keeping, d.SendAt = email.Never, time.Now().Add(time.Hour)
				concealed := idempotency.Secret(nil).Conceal(k)
				m := h.accept(t, d, concealed)
				if earlier {
					h.ofEarlier(t, m.ID, k)
				}
				repeated := func() {
					t.Helper()
					again, replayed, err := h.Accept(t.Context(), tenant, d, concealed)
					if err != nil || !replayed || again.ID != m.ID {
						t.Errorf("repeat: got %s, replayed %v, %v; want %s, replayed", again.ID, replayed, err, m.ID)
					}
				}
				repeated()
				<-time.After(2 * time.Hour)
				equal(t, "status", h.get(t, m.ID).Status, email.Sent)
				if r := h.stored(t, m.ID); bytes.Contains(r.Body, []byte(k.Fingerprint)) {
					t.Errorf("got the plain fingerprint in %s, want it concealed", r.Body)
				}
				repeated()
				equal(t, "copies", h.provider.copies(m.ID), 1)
			})
		})
	}
}

// An erasure leaves no digest of the key, which may be the person's address, or, of a message that was handed
// over, of all that it said. A repeat is still refused, until the key expires.
func TestAnErasureLeavesNoDigestOfTheRequest(t *testing.T) {
	for name, earlier := range map[string]bool{"of this version": false, "of an earlier version": true} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 0, nil, func(t *testing.T, h *house) {
				d, k := draft(), guess("ada@example.com", secret)
				concealed := idempotency.Secret(nil).Conceal(k)
				m := h.accept(t, d, concealed)
				<-time.After(time.Minute)
				if earlier {
					h.ofEarlier(t, m.ID, k)
				}
				for range 2 {
					h.eraseAda(t)
					if r := h.stored(t, m.ID); tells(r, k) {
						t.Errorf("got idem %s, body %s; want no plain digest", r.Idem, r.Body)
					}
				}
				for at := time.Duration(0); at < idempotency.Kept; at += 10 * time.Hour {
					if _, _, err := h.Accept(t.Context(), tenant, d, concealed); codeOf(err) != "message_erased" {
						t.Errorf("repeat after %s: got %v, want message_erased", at, err)
					}
					other := idempotency.Secret(nil).Conceal(guess("ada@example.com", "another"))
					if _, _, err := h.Accept(t.Context(), tenant, d, other); codeOf(err) != idempotency.CodeMismatch {
						t.Errorf("another request after %s: got %v, want %s", at, err, idempotency.CodeMismatch)
					}
					<-time.After(10 * time.Hour)
				}
				<-time.After(24 * time.Hour)
				if _, replayed, err := h.Accept(t.Context(), tenant, d, concealed); err != nil || replayed {
					t.Errorf("after the key has expired: got replayed %v, %v; want a new message", replayed, err)
				}
			})
		})
	}
}

func TestAnErasureConcealsTheKeyOfAMessageThatWasHandedOver(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		m, _, err := h.HandOver(t.Context(), tenant, handover())
		if err != nil {
			t.Fatal(err)
		}
		before := h.stored(t, m.ID).Idem
		<-time.After(time.Minute)
		h.eraseAda(t)
		if r := h.stored(t, m.ID); r.Idem == before || bytes.Contains(r.Body, []byte(before)) {
			t.Errorf("got idem %s, body %s; want %s concealed", r.Idem, r.Body, before)
		}
		if _, _, err := h.HandOver(t.Context(), tenant, handover()); codeOf(err) != "message_erased" {
			t.Errorf("repeat: got %v, want message_erased", err)
		}
	})
}

// A message whose id is not derived from its key would not be found by its concealed key before a repeat is
// accepted. So it keeps the plain one until that expires.
func TestAnErasureKeepsAKeyByWhichAloneAMessageIsFound(t *testing.T) {
	cutOff(t, func(t *testing.T, o *outpost) {
		o.before(t)
		p := user.Person{Tenant: tenant, Emails: []string{"ada@example.com"}}
		err := o.PersonalObjects(t.Context(), p, func(int) error { return nil }, func(found user.PersonalObject) error { return found.Erase(t.Context()) })
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := o.Accept(t.Context(), tenant, draft(), key("k")); codeOf(err) != "message_erased" {
			t.Errorf("repeat: got %v, want message_erased", err)
		}
		equal(t, "copies", o.provider.tried(), 0)
	})
}

// Whichever of two gateways of different versions has stored a message or a batch, and whichever has held it,
// it is one.
func TestARequestIsTheSameInBothForms(t *testing.T) {
	t.Parallel()
	k := guess("k", "a")
	forms := map[string]func(m *email.Message, r *ports.Record){
		"plain":     func(*email.Message, *ports.Record) {},
		"concealed": func(m *email.Message, _ *ports.Record) { m.Fingerprint = names.Keys.Fingerprint(k.Fingerprint) },
		"erased": func(m *email.Message, r *ports.Record) {
			m.Key, m.Fingerprint = names.Keys.Scoped(k.Scoped), names.Keys.Fingerprint(k.Fingerprint)
			r.Idem = m.Key
		},
	}
	for held, one := range forms {
		for stored, other := range forms {
			message := func(form func(*email.Message, *ports.Record)) (r ports.Record) {
				r = former(t, email.Queued)
				r.Body = changed(t, r, func(m *email.Message) { form(m, &r) }).Body
				return r
			}
			a, b := message(one), message(other)
			if !names.SameRequest(a, b) {
				t.Errorf("held %s, stored %s: got two requests, want one", held, stored)
			}
			b = changed(t, b, func(m *email.Message) { m.Fingerprint = guess("k", "another").Fingerprint })
			if names.SameRequest(a, b) {
				t.Errorf("held %s, stored another: got one request, want two", held)
			}
		}
	}
}

func (h *house) eraseAda(t *testing.T) {
	t.Helper()
	p := user.Person{Tenant: tenant, Emails: []string{"ada@example.com"}}
	erase := func(o user.PersonalObject) error { return o.Erase(t.Context()) }
	if err := h.PersonalObjects(t.Context(), p, func(int) error { return nil }, erase); err != nil {
		t.Fatal(err)
	}
}
