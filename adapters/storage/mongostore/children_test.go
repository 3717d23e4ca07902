package mongostore

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/mongod"
)

var created = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fresh(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Environment(t, mongod.Database()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func family() (parent, child ports.Record) {
	parent = ports.Record{Tenant: "t", Kind: "k", ID: "1", Body: []byte("b"), Index: ports.Index{Created: created}}
	child = ports.Record{Tenant: "t", Kind: "part", ID: "1.0", Parent: parent.Name(), Body: []byte("part"), Index: ports.Index{Created: created}}
	return parent, child
}

func checkSwept(t *testing.T, s *Store, before time.Time, want int) {
	t.Helper()
	n, err := s.Sweep(t.Context(), before, 10)
	if err != nil {
		t.Fatal(err)
	}
	if n != want {
		t.Errorf("Sweep removed %d children, want %d", n, want)
	}
}

// checkChild checks whether the child of family is stored.
func checkChild(t *testing.T, s *Store, want bool) {
	t.Helper()
	got, err := s.Get(t.Context(), "t", "part", "1.0")
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	if stored := err == nil; stored != want {
		t.Errorf("the child is stored = %t, want %t", stored, want)
	}
	if want && got.Parent != "k|1" {
		t.Errorf("parent of the child = %q, want %q", got.Parent, "k|1")
	}
}

// A process may end after it has inserted a child, and before its record.
func TestSweepRemovesAChildWhoseRecordNeverCame(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	parent, child := family()
	if err := s.insertUnattached(t.Context(), &child); err != nil {
		t.Fatal(err)
	}
	checkSwept(t, s, created, 0) // not old enough
	if err := s.insertUnattached(t.Context(), &child); err != nil {
		t.Errorf("inserting the same child again: %v", err)
	}
	other := child
	other.Body = []byte("other")
	if err := s.insertUnattached(t.Context(), &other); !fault.Is(err, fault.Conflict) {
		t.Errorf("inserting another child of the same name: error = %v, want kind %s", err, fault.Conflict)
	}
	checkSwept(t, s, created.Add(time.Hour), 1)
	child.Rev, child.Parent = 0, ""
	if err := s.Attach(t.Context(), &parent, &child); err != nil {
		t.Fatal(err)
	}
	checkSwept(t, s, created.Add(time.Hour), 0)
}

// A process may end after it has inserted the record, and before it has attached the children.
func TestSweepAttachesAChildWhoseRecordExists(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	parent, child := family()
	if err := s.insertUnattached(t.Context(), &child); err != nil {
		t.Fatal(err)
	}
	if err := s.save(t.Context(), &parent, new(1)); err != nil {
		t.Fatal(err)
	}
	checkSwept(t, s, created.Add(time.Hour), 0)
	n, err := s.records.CountDocuments(t.Context(), bson.D{{Key: "loose", Value: true}})
	if err != nil {
		t.Fatal(err)
	}
	if n != 0 {
		t.Errorf("unattached children = %d, want 0", n)
	}
	checkChild(t, s, true)
}

// A process may be stopped between the two for so long that its child is swept.
func TestAttachInsertsAgainAChildThatWasSweptMeanwhile(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	parent, child := family()
	if err := s.save(t.Context(), &parent, new(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.markAttached(t.Context(), &parent, []*ports.Record{&child}); err != nil {
		t.Fatal(err)
	}
	checkChild(t, s, true)
}

// A process may end when it has saved a record without its children, and before it has removed
// them.
func TestSweepRemovesChildrenOfAnInterruptedDetach(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	parent, child := family()
	if err := s.Attach(t.Context(), &parent, &child); err != nil {
		t.Fatal(err)
	}
	if err := s.markUnattached(t.Context(), &parent); err != nil {
		t.Fatal(err)
	}
	if err := s.save(t.Context(), &parent, new(0)); err != nil {
		t.Fatal(err)
	}
	checkSwept(t, s, created.Add(time.Hour), 1)
}

// A record may change between being read as old and being removed.
func TestPurgeKeepsARecordThatHasChangedWithItsChildren(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	parent, child := family()
	if err := s.Attach(t.Context(), &parent, &child); err != nil {
		t.Fatal(err)
	}
	stale := parent
	if err := s.Save(t.Context(), &parent)[0]; err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		record ports.Record
		purged int64
		child  bool
	}{{"the record as it was before the change", stale, 0, true}, {"the record as it is", parent, 1, false}} {
		n, err := s.purge(t.Context(), c.record, true)
		if err != nil {
			t.Fatal(err)
		}
		if n != c.purged {
			t.Errorf("%s: purged = %d, want %d", c.name, n, c.purged)
		}
		checkSwept(t, s, created.Add(time.Hour), 0)
		checkChild(t, s, c.child)
	}
}
