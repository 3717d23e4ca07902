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
		enclosures[i] = &ports.Record{Tenant: tenant, Kind: "enclosure", ID: fmt.Sprint(id, ".", i), Body: []byte("enclosed"), Terms: []string{"red"}}
	}
	parent := letter(id, key, body)
	parent.Terms = []string{"red"}
	return r.Attach(t.Context(), parent, enclosures...)
}

// red returns how many records of a kind the store finds by the term of the letters and enclosures.
func (r *rig) red(t *testing.T, kind string) int {
	t.Helper()
	page, err := r.store.List(t.Context(), tenant, kind, ports.Filter{Terms: []string{"red"}}, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Records)
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

func TestARecordIsHeldAndMovedWithItsChildren(t *testing.T) {
	for name, fails := range map[string]func(string) error{"the store is unavailable": unavailable, "the answer of the store is lost": answerLost} {
		t.Run(name, func(t *testing.T) {
			withSpool(t, func(t *testing.T, r *rig) {
				r.storeFails(fails)
				if err := r.attach(t, "a", "key", "Hello"); err != nil {
					t.Fatal(err)
				}
				checkKind(t, r.attach(t, "a", "key", "Hello"), fault.Conflict)
				if held, err := r.Get(t.Context(), tenant, "letter", "a"); err != nil || held.Terms != nil {
					t.Errorf("terms of the held record = %q, %v; want none read", held.Terms, err)
				}
				r.stop()
				r.start(t) // after a crash
				r.storeFails(available)
				<-time.After(soon)
				r.checkStatus(t, 0, 0)
				checkBody(t, r.inStore(t, "a"), "Hello")
				if got := r.enclosed(t, "a"); got != 2 {
					t.Errorf("enclosures in the store = %d, want 2", got)
				}
				if letters, enclosures := r.red(t, "letter"), r.red(t, "enclosure"); letters != 1 || enclosures != 2 {
					t.Errorf("found by terms: %d letters and %d enclosures, want 1 and 2", letters, enclosures)
				}
			})
		})
	}
}

func TestARecordAndItsChildrenAreReleasedOnTheWayIntoTheStore(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(unavailable)
		parent := letter("a", "key", "Hello")
		child := &ports.Record{Tenant: tenant, Kind: "enclosure", ID: "a.0", Body: []byte("enclosed")}
		parent.Queue, child.Queue = "closed", "closed"
		if err := r.Attach(t.Context(), parent, child); err != nil {
			t.Fatal(err)
		}
		if held, err := r.Get(t.Context(), tenant, "letter", "a"); err != nil || held.Queue != "closed" {
			t.Errorf("queue of the held record = %q, %v; want it as it was", held.Queue, err)
		}
		r.storeFails(available)
		<-time.After(soon)
		for _, kind := range []string{"letter", "enclosure"} {
			page, err := r.store.List(t.Context(), tenant, kind, ports.Filter{}, "", 10)
			if err != nil || len(page.Records) != 1 || page.Records[0].Queue != "letters" {
				t.Errorf("%s in the store = %+v, %v; want one, in the queue letters", kind, page.Records, err)
			}
		}
	})
}

func TestAMovedRecordIsRemovedFromTheSpoolAfter72Hours(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(unavailable)
		if err := r.save(t, letter("a", "key", "Hello")); err != nil {
			t.Fatal(err)
		}
		r.storeFails(available)
		<-time.After(soon)
		kept := func() bool {
			page, err := r.local.List(t.Context(), "", "held", ports.Filter{}, "", 10)
			return err == nil && len(page.Records) == 1
		}
		<-time.After(71 * time.Hour)
		if !kept() {
			t.Error("the record was removed within 71 hours")
		}
		<-time.After(3 * time.Hour)
		if kept() {
			t.Error("the record is still in the spool after 74 hours")
		}
		if got := r.inStore(t, "a").ID; got != "a" {
			t.Errorf("id of the record in the store = %q, want %q", got, "a")
		}
	})
}
