package spool_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

// addressed shows a letter to whoever it begins with.
func addressed(r ports.Record, p user.Person) (any, bool) {
	return string(r.Body), strings.HasPrefix(string(r.Body), p.UserID)
}

func (r *rig) traces(t *testing.T) (all []user.PersonalObject) {
	t.Helper()
	looked := func(int) error { return nil }
	err := r.PersonalObjects(t.Context(), user.Person{Tenant: tenant, UserID: "ada"}, looked, func(one user.PersonalObject) error {
		all = append(all, one)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// onDisk is all that is on the disk of this machine.
func (r *rig) onDisk() (all string) {
	for _, one := range r.local.Records() {
		all += one.Index.Status + " " + string(one.Body) + string(one.Content) + "\n"
	}
	return all
}

func TestWhatIsHeldOfAPersonIsErasedWhenItIsInTheStore(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.is(gone)
		for id, body := range map[string]string{"a": "ada: hello", "b": "bob: hello"} {
			if err := r.save(t, letter(id, "key of "+id, body)); err != nil {
				t.Fatal(err)
			}
		}
		all := r.traces(t)
		if len(all) != 1 || all[0].View != "ada: hello" || all[0].Pending == "" {
			t.Fatalf("%+v", all)
		}
		if err := all[0].Erase(t.Context()); !fault.Is(err, fault.Conflict) || !strings.Contains(r.onDisk(), "YWRhOiBoZWxsbw") { // in base64
			t.Errorf("what was accepted is gone: %v", err)
		}
		r.is(there)
		<-time.After(soon)
		// Nothing is left here of what was moved.
		if all := r.traces(t); len(all) > 0 || r.onDisk() != "moved {}\nmoved {}\n" {
			t.Errorf("%+v\n%s", all, r.onDisk())
		}
		if string(r.inStore(t, "a").Body) != "ada: hello" {
			t.Errorf("%+v", r.inStore(t, "a"))
		}
	})
}

func TestWhatTheStoreHasRefusedIsErased(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		if err := r.save(t, letter("a", "k", "ada: hello")); err != nil {
			t.Fatal(err)
		}
		r.is(gone)
		if err := r.save(t, letter("a", "k", "ada: bye")); err != nil {
			t.Fatal(err)
		}
		r.is(there)
		<-time.After(soon)
		all := r.traces(t)
		if len(all) != 1 || all[0].View != "ada: bye" || all[0].Pending != "" || r.Status().Refused != 1 {
			t.Fatalf("%+v, %+v", all, r.Status())
		}
		for range 2 {
			if err := all[0].Erase(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := r.traces(t); len(left) > 0 || r.Status().Refused != 0 || r.onDisk() != "erased {}\n" {
				t.Errorf("%+v, %+v, %s", left, r.Status(), r.onDisk())
			}
		}
		r.stop()
		r.start(t)
		if st := r.Status(); st.Refused != 0 || st.Held != 0 {
			t.Errorf("after a restart: %+v", st)
		}
	})
}

// The program before this one kept a parcel as the body of its record.
func TestWhatAnEarlierVersionHasHeldIsMoved(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.is(gone)
		if err := r.save(t, letter("a", "k", "ada: hello")); err != nil {
			t.Fatal(err)
		}
		held := r.local.Records()[0]
		held.Body, held.Content = held.Content, nil
		if err := r.local.Save(t.Context(), &held)[0]; err != nil {
			t.Fatal(err)
		}
		if all := r.traces(t); len(all) != 1 || all[0].View != "ada: hello" {
			t.Errorf("%+v", all)
		}
		r.is(there)
		<-time.After(soon)
		if string(r.inStore(t, "a").Body) != "ada: hello" {
			t.Errorf("%+v", r.inStore(t, "a"))
		}
	})
}
