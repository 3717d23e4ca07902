package spool_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

// addressed returns a view of a letter that begins with the id of the person.
func addressed(r ports.Record, p user.Person) (any, bool) {
	return string(r.Body), strings.HasPrefix(string(r.Body), p.UserID)
}

func (r *rig) traces(t *testing.T) (all []user.PersonalObject) {
	t.Helper()
	counted := func(int) error { return nil }
	err := r.PersonalObjects(t.Context(), user.Person{Tenant: tenant, UserID: "ada"}, counted, func(one user.PersonalObject) error {
		all = append(all, one)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// onDisk returns everything that is on the disk of this machine.
func (r *rig) onDisk() (all string) {
	for _, one := range r.local.Records() {
		all += one.Index.Status + " " + one.Idem + string(one.Body) + string(one.Content) + "\n"
	}
	return all
}

// checkTrace checks the only trace of the person, and returns it.
func (r *rig) checkTrace(t *testing.T, view string, pending bool) user.PersonalObject {
	t.Helper()
	all := r.traces(t)
	if len(all) != 1 {
		t.Fatalf("traces = %+v, want 1", all)
	}
	if all[0].View != view {
		t.Errorf("view = %v, want %q", all[0].View, view)
	}
	if got := all[0].Pending != ""; got != pending {
		t.Errorf("pending = %q, want one = %t", all[0].Pending, pending)
	}
	return all[0]
}

// checkErased checks that nothing of the person is left, and what is on the disk.
func (r *rig) checkErased(t *testing.T, onDisk string) {
	t.Helper()
	if all := r.traces(t); len(all) > 0 {
		t.Errorf("traces = %+v, want none", all)
	}
	if got := r.onDisk(); got != onDisk {
		t.Errorf("on disk = %q, want %q", got, onDisk)
	}
}

func TestAHeldRecordIsNotErasedAndLeavesNothingOnceItIsMoved(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(unavailable)
		for id, body := range map[string]string{"a": "ada: hello", "b": "bob: hello"} {
			if err := r.save(t, letter(id, "key of "+id, body)); err != nil {
				t.Fatal(err)
			}
		}
		checkKind(t, r.checkTrace(t, "ada: hello", true).Erase(t.Context()), fault.Conflict)
		if want := "YWRhOiBoZWxsbw"; !strings.Contains(r.onDisk(), want) { // in base64
			t.Errorf("on disk = %q, want %q in it", r.onDisk(), want)
		}
		r.storeFails(available)
		<-time.After(soon)
		r.checkErased(t, "moved {}\nmoved {}\n")
		checkBody(t, r.inStore(t, "a"), "ada: hello")
	})
}

func TestARecordThatTheStoreHasRefusedIsErased(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		if err := r.save(t, letter("a", "k", "ada: hello")); err != nil {
			t.Fatal(err)
		}
		r.storeFails(unavailable)
		if err := r.save(t, letter("a", "k", "ada: bye")); err != nil {
			t.Fatal(err)
		}
		r.storeFails(available)
		<-time.After(soon)
		r.checkStatus(t, 0, 1)
		trace := r.checkTrace(t, "ada: bye", false)
		for range 2 {
			if err := trace.Erase(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.checkErased(t, "erased {}\n")
			r.checkStatus(t, 0, 0)
		}
		r.stop()
		r.start(t)
		r.checkStatus(t, 0, 0)
	})
}

// An earlier version kept a parcel as the body of its record.
func TestARecordHeldByAnEarlierVersionIsMoved(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(unavailable)
		if err := r.save(t, letter("a", "k", "ada: hello")); err != nil {
			t.Fatal(err)
		}
		held := r.local.Records()[0]
		held.Body, held.Content = held.Content, nil
		if err := r.local.Save(t.Context(), &held)[0]; err != nil {
			t.Fatal(err)
		}
		r.checkTrace(t, "ada: hello", true)
		r.storeFails(available)
		<-time.After(soon)
		checkBody(t, r.inStore(t, "a"), "ada: hello")
	})
}
