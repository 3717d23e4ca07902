package emails_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/tests/memjournal"
)

// A person whose copy becomes a message of its own while their data are erased is either erased there, or
// reported as pending, so that the erasure is repeated.
func TestAnErasureThatMeetsASplitLeavesNobodyBehind(t *testing.T) {
	for name, tt := range map[string]struct {
		younger     int  // messages that are listed before those of the batch
		during      bool // the first page is read while the copies are saved
		beforeErase bool // otherwise it is split between two pages
		stuck       bool // its copies are stored, and then it waits
		pending     int
	}{
		"between its page and its erasure":         {0, false, true, false, 1},
		"between two pages":                        {100, false, false, false, 0},
		"while a page is read":                     {90, true, false, false, 0},
		"while a page is read, and it is not over": {90, true, false, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			withBatches(t, []*line{single("first", nil)}, func(t *testing.T, o *batchRig) {
				b := batchOf(100)
				b.SendAt = time.Now().Add(time.Minute)
				id := o.send(t, b, idempotency.Key{}).ID
				<-time.After(time.Second)
				for range tt.younger {
					d := draft()
					d.To, d.SendAt = []email.Address{{Email: "bob@example.com"}}, time.Now().Add(time.Hour)
					mustAccept(t, o.Service, d, idempotency.Key{})
				}
				if tt.during {
					o.untilSaves(50)
				}
				split := sync.OnceFunc(func() {
					if tt.stuck {
						o.stickAfter(strings.Replace(id, "bat_", "msg_", 1) + ".0.99")
					}
					<-time.After(2 * time.Minute)
				})
				target := b.Personalizations[60].To[0].Email
				onPage, onErase := split, func() {}
				if tt.beforeErase {
					onPage, onErase = onErase, onPage
				}
				pending := o.eraseAll(t, target, onPage, onErase)
				equal(t, "pending", pending, tt.pending)
				if pending > 0 {
					equal(t, "pending when it is repeated", o.eraseAll(t, target, onPage, onErase), 0)
				}
				page, err := o.List(t.Context(), tenant, emails.Filter{Recipient: target}, "", 10)
				if err != nil || len(page.Messages) > 0 {
					t.Errorf("%d messages to the person are found, %v", len(page.Messages), err)
				}
			})
		})
	}
}

// eraseAll erases a person from all messages. It calls onPage after each page, and onErase before a message is
// erased. It returns how many are pending.
func (o *batchRig) eraseAll(t *testing.T, address string, onPage, onErase func()) (pending int) {
	t.Helper()
	p := user.Person{Tenant: tenant, Emails: []string{address}}
	err := o.PersonalObjects(t.Context(), p, func(int) error { onPage(); return nil }, func(found user.PersonalObject) error {
		if found.Pending != "" {
			pending++
			return nil
		}
		onErase()
		if err := found.Erase(t.Context()); err != nil {
			pending++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pending
}

// untilSaves makes each save take 50 ms, and returns after n of them.
func (o *batchRig) untilSaves(n int64) {
	var saves atomic.Int64
	reached := make(chan struct{})
	slow := func(op string) error {
		if op == memjournal.Save {
			<-time.After(50 * time.Millisecond)
			if saves.Add(1) == n {
				close(reached)
			}
		}
		return nil
	}
	o.fail.Store(&slow)
	<-reached
}

func TestAnExportHasNothingThatOnlyTheGatewayNeeds(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		d := draft()
		d.To, d.SendAt = []email.Address{{Email: "ada@example.com"}}, time.Now().Add(time.Hour)
		mustAccept(t, h.Service, d, idempotency.New("shop", "POST /api/emails", "k", []byte("body")))
		exported := 0
		err := h.PersonalObjects(t.Context(), user.Person{Tenant: tenant, Emails: []string{"ada@example.com"}}, func(int) error { return nil }, func(o user.PersonalObject) error {
			exported++
			text, err := json.Marshal(o.View)
			if err != nil {
				return err
			}
			for _, field := range []string{"restore", "hasTerms", "fingerprint", "keyAge", "attempts"} {
				if strings.Contains(string(text), `"`+field+`":`) {
					t.Errorf("export = %s, want it without %s", text, field)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "exported", exported, 1)
	})
}

// stickAfter lets a split go on until the last of its copies is stored, and wait then: the copies cannot be
// rendered any more.
func (o *batchRig) stickAfter(last string) {
	afterTheCopies := func(op string) error {
		if op != memjournal.Save {
			return nil
		}
		if _, err := o.journal.Get(context.Background(), tenant, emails.Kind, last); err != nil {
			return nil
		}
		return fault.New(fault.Unavailable, "scripted", "")
	}
	o.fail.Store(&afterTheCopies)
	<-time.After(time.Minute)
	o.fail.Store(nil)
	o.Renderer = refusesAll{}
	<-time.After(3 * time.Minute)
}
