package spool_test

import (
	"fmt"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

// attach sends a letter with two enclosures.
func (r *rig) attach(t *testing.T, id, key, body string) error {
	t.Helper()
	enclosures := make([]*ports.Record, 2)
	for i := range enclosures {
		enclosures[i] = &ports.Record{Tenant: tenant, Kind: "enclosure", ID: fmt.Sprint(id, ".", i), Body: []byte("enclosed")}
	}
	return r.Attach(t.Context(), letter(id, key, body), enclosures...)
}

func (r *rig) enclosed(t *testing.T, id string) (n int) {
	t.Helper()
	for i := range 2 {
		if e, err := r.store.Get(t.Context(), tenant, "enclosure", fmt.Sprint(id, ".", i)); err == nil && e.Parent == "letter|"+id {
			n++
		}
	}
	return n
}

func TestARecordIsHeldWithItsChildren(t *testing.T) {
	for name, state := range map[string]func(string) error{"the store is gone": gone, "the store does not say": ambiguous} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				r.is(state)
				if err := r.attach(t, "a", "key", "Hello"); err != nil {
					t.Fatal(err)
				}
				if err := r.attach(t, "a", "key", "Hello"); !fault.Is(err, fault.Conflict) {
					t.Errorf("again: %v", err)
				}
				r.stop()
				r.start(t) // after a crash
				r.is(there)
				<-time.After(soon)
				if got := r.inStore(t, "a"); string(got.Body) != "Hello" || r.enclosed(t, "a") != 2 || r.Held() != 0 || r.Status().Refused != 0 {
					t.Errorf("%+v with %d enclosures; %+v", got, r.enclosed(t, "a"), r.Status())
				}
			})
		})
	}
}

func TestWhatWasMovedIsForgottenWithItsKey(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.is(gone)
		if err := r.save(t, letter("a", "key", "Hello")); err != nil {
			t.Fatal(err)
		}
		r.is(there)
		<-time.After(soon)
		kept := func() bool {
			page, err := r.local.List(t.Context(), "", "held", ports.Filter{}, "", 10)
			return err == nil && len(page.Records) == 1
		}
		<-time.After(71 * time.Hour)
		if !kept() {
			t.Error("it was forgotten early")
		}
		<-time.After(3 * time.Hour)
		if kept() || r.inStore(t, "a").ID != "a" {
			t.Error("it is kept for ever, or the store has lost it")
		}
	})
}
