package mongostore

import (
	"testing"

	"patchbay/core/fault"
	"patchbay/ports"
)

// A child whose record did not come would stay for ever in a store without a sweep.
func TestALooseChildIsInTheArchiveOnceItsRecordIs(t *testing.T) {
	t.Parallel()
	j := fresh(t)
	parent, child := family()
	if err := j.putLoose(t.Context(), &child); err != nil {
		t.Fatal(err)
	}
	alone := ports.Record{Tenant: "t", Kind: "z", ID: "9", Body: []byte("b")}
	if err := j.save(t.Context(), &alone, nil); err != nil {
		t.Fatal(err)
	}
	a, key := j, ports.RecordKey("part", "t", "1.0")
	sees := func(want int, there bool) {
		t.Helper()
		seen := 0
		for after := ""; ; {
			page, next, err := a.Scan(t.Context(), ports.RecordSection, after, 1)
			if err != nil {
				t.Fatal(err)
			}
			seen += len(page)
			if after = next; after == "" {
				break
			}
		}
		found, err := a.Digests(t.Context(), ports.RecordSection, key)
		if _, is := found[key]; err != nil || seen != want || is != there {
			t.Errorf("%d records, the child among them: %v (%v); want %d, %v", seen, is, err, want, there)
		}
	}
	sees(1, false)
	if err := j.save(t.Context(), &parent, new(1)); err != nil { // and ends before it ties the child
		t.Fatal(err)
	}
	sees(3, true)
}

// Between two of its steps a copy may end for good: a record that has a child must
// know, or a purge would leave the child behind.
func TestARecordKnowsOfAChildBeforeItIsThere(t *testing.T) {
	t.Parallel()
	j := fresh(t)
	parent, child := family()
	parent.Rev, child.Rev = 1, 1
	if err := j.Put(t.Context(), ports.RecordSection, ports.Entry{Record: &parent}); err != nil {
		t.Fatal(err)
	}
	d, err := makeDocument(ports.Entry{Record: &child})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.tie(t.Context(), []any{d}); err != nil {
		t.Fatal(err)
	}
	var kept document
	if err := j.records.FindOne(t.Context(), map[string]string{"_id": "k|t|1"}).Decode(&kept); err != nil || kept.Children == 0 {
		t.Errorf("%+v, %v", kept, err)
	}
	if _, err := j.Get(t.Context(), "t", "part", "1.0"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the child is there: %v", err)
	}
}
