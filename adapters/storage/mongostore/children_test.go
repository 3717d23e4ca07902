package mongostore

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/mongod"
)

var made = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fresh(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URI: mongod.URI(t), Database: mongod.Database()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func family() (parent, child ports.Record) {
	parent = ports.Record{Tenant: "t", Kind: "k", ID: "1", Body: []byte("b"), Index: ports.Index{Created: made}}
	child = ports.Record{Tenant: "t", Kind: "part", ID: "1.0", Parent: parent.Name(), Body: []byte("part"), Index: ports.Index{Created: made}}
	return parent, child
}

func sweeps(t *testing.T, j *Store, before time.Time, want int) {
	t.Helper()
	if n, err := j.Sweep(t.Context(), before, 10); err != nil || n != want {
		t.Errorf("%d swept, %v; want %d", n, err, want)
	}
}

// A process may end after it has written a child, and before the record.
func TestAChildWhoseRecordDidNotComeIsSwept(t *testing.T) {
	t.Parallel()
	j := fresh(t)
	parent, child := family()
	if err := j.putLoose(t.Context(), &child); err != nil {
		t.Fatal(err)
	}
	sweeps(t, j, made, 0) // not old enough
	if err := j.putLoose(t.Context(), &child); err != nil {
		t.Errorf("the same again: %v", err)
	}
	other := child
	other.Body = []byte("other")
	if err := j.putLoose(t.Context(), &other); !fault.Is(err, fault.Conflict) {
		t.Errorf("another of this name: %v", err)
	}
	sweeps(t, j, made.Add(time.Hour), 1)
	child.Rev, child.Parent = 0, ""
	if err := j.Attach(t.Context(), &parent, &child); err != nil {
		t.Fatal(err)
	}
	sweeps(t, j, made.Add(time.Hour), 0)
}

// A process may end after it has written the record, and before its children are
// tied to it.
func TestAChildIsTiedToARecordThatIsThere(t *testing.T) {
	t.Parallel()
	j := fresh(t)
	parent, child := family()
	if err := j.putLoose(t.Context(), &child); err != nil {
		t.Fatal(err)
	}
	if err := j.save(t.Context(), &parent, new(1)); err != nil {
		t.Fatal(err)
	}
	sweeps(t, j, made.Add(time.Hour), 0)
	if n, err := j.records.CountDocuments(t.Context(), bson.D{{Key: "loose", Value: true}}); err != nil || n != 0 {
		t.Errorf("%d are loose, %v", n, err)
	}
	if _, err := j.Get(t.Context(), "t", "part", "1.0"); err != nil {
		t.Error(err)
	}
}

// A process may be stopped between the two for so long that its child is swept.
func TestARecordThatComesLateWritesItsChildrenAgain(t *testing.T) {
	t.Parallel()
	j := fresh(t)
	parent, child := family()
	if err := j.save(t.Context(), &parent, new(1)); err != nil {
		t.Fatal(err)
	}
	if err := j.fasten(t.Context(), &parent, []*ports.Record{&child}); err != nil {
		t.Fatal(err)
	}
	if got, err := j.Get(t.Context(), "t", "part", "1.0"); err != nil || got.Parent != parent.Name() {
		t.Errorf("%+v, %v", got, err)
	}
}

// A process may end when the record has given up its children, and they are there
// still.
func TestChildrenThatWereGivenUpAreSwept(t *testing.T) {
	t.Parallel()
	j := fresh(t)
	parent, child := family()
	if err := j.Attach(t.Context(), &parent, &child); err != nil {
		t.Fatal(err)
	}
	if _, err := j.records.UpdateMany(t.Context(), childrenOf(&parent), bson.M{"$set": bson.M{"loose": true}}); err != nil {
		t.Fatal(err)
	}
	if err := j.save(t.Context(), &parent, new(0)); err != nil {
		t.Fatal(err)
	}
	sweeps(t, j, made.Add(time.Hour), 1)
}

// A record may change between being found old and being removed.
func TestARecordThatHasChangedKeepsItsChildrenWhenItIsPurged(t *testing.T) {
	t.Parallel()
	j := fresh(t)
	parent, child := family()
	if err := j.Attach(t.Context(), &parent, &child); err != nil {
		t.Fatal(err)
	}
	stale := parent
	if err := j.Save(t.Context(), &parent)[0]; err != nil {
		t.Fatal(err)
	}
	if n, err := j.purge(t.Context(), stale, true); err != nil || n != 0 {
		t.Errorf("%d purged, %v", n, err)
	}
	sweeps(t, j, made.Add(time.Hour), 0)
	if _, err := j.Get(t.Context(), "t", "part", "1.0"); err != nil {
		t.Errorf("its child is gone: %v", err)
	}
	if n, err := j.purge(t.Context(), parent, true); err != nil || n != 1 {
		t.Errorf("%d purged, %v", n, err)
	}
	if _, err := j.Get(t.Context(), "t", "part", "1.0"); !fault.Is(err, fault.NotFound) {
		t.Errorf("its child is there: %v", err)
	}
}
