package emails_test

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
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
		pending     int
	}{
		"between its page and its erasure": {0, false, true, 1},
		"between two pages":                {100, false, false, 0},
		"while a page is read":             {90, true, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			withBatches(t, []*line{single("first", nil)}, func(t *testing.T, o *batchRig) {
				b := batchOf(100)
				b.SendAt = time.Now().Add(time.Minute)
				o.send(t, b, idempotency.Key{})
				<-time.After(time.Second)
				for range tt.younger {
					d := draft()
					d.To, d.SendAt = []email.Address{{Email: "bob@example.com"}}, time.Now().Add(time.Hour)
					mustAccept(t, o.Service, d, idempotency.Key{})
				}
				if tt.during {
					o.untilSaves(50)
				}
				split := sync.OnceFunc(func() { <-time.After(2 * time.Minute) })
				target := b.Personalizations[60].To[0].Email
				erase := func() (pending int, err error) {
					err = o.PersonalObjects(t.Context(), user.Person{Tenant: tenant, Emails: []string{target}}, func(int) error {
						if !tt.beforeErase {
							split()
						}
						return nil
					}, func(found user.PersonalObject) error {
						if found.Pending != "" {
							pending++
							return nil
						}
						if tt.beforeErase {
							split()
						}
						err := found.Erase(t.Context())
						if err != nil {
							pending++
						}
						return nil
					})
					return pending, err
				}
				pending, err := erase()
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "pending", pending, tt.pending)
				if pending > 0 {
					if pending, err = erase(); pending > 0 || err != nil {
						t.Errorf("repeated: %d pending, %v", pending, err)
					}
				}
				page, err := o.List(t.Context(), tenant, emails.Filter{Recipient: target}, "", 10)
				if err != nil || len(page.Messages) > 0 {
					t.Errorf("%d messages to the person are found, %v", len(page.Messages), err)
				}
			})
		})
	}
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
