package mongostore

import (
	"testing"

	"patchbay/core/fault"
	"patchbay/ports"
)

// An unattached child whose record never came would stay for ever in a store without a Sweep.
func TestAnArchiveHasAnUnattachedChildOnlyIfItsRecordExists(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	parent, child := family()
	if err := s.insertUnattached(t.Context(), &child); err != nil {
		t.Fatal(err)
	}
	unrelated := ports.Record{Tenant: "t", Kind: "z", ID: "9", Body: []byte("b")}
	if err := s.save(t.Context(), &unrelated, nil); err != nil {
		t.Fatal(err)
	}
	key := ports.RecordKey("part", "t", "1.0")
	check := func(when string, wantRecords int, wantChild bool) {
		t.Helper()
		records := 0
		for after := ""; ; {
			page, next, err := s.Scan(t.Context(), ports.RecordSection, after, 1)
			if err != nil {
				t.Fatal(err)
			}
			records += len(page)
			if after = next; after == "" {
				break
			}
		}
		if records != wantRecords {
			t.Errorf("%s: Scan returned %d records, want %d", when, records, wantRecords)
		}
		digests, err := s.Digests(t.Context(), ports.RecordSection, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, has := digests[key]; has != wantChild {
			t.Errorf("%s: Digests has the child = %t, want %t", when, has, wantChild)
		}
	}
	check("without the record", 1, false)
	if err := s.save(t.Context(), &parent, new(1)); err != nil { // as if the process ended before it attached the child
		t.Fatal(err)
	}
	check("with the record", 3, true)
}

// A copy may end for good between two of its steps. A purge of a record that does not have the
// number of its children would leave them behind.
func TestPutCountsAChildBeforeItInsertsTheChild(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	parent, child := family()
	parent.Rev, child.Rev = 1, 1
	if err := s.Put(t.Context(), ports.RecordSection, ports.Entry{Record: &parent}); err != nil {
		t.Fatal(err)
	}
	d, err := encodeRecord(ports.Entry{Record: &child})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.countChildren(t.Context(), []any{d}); err != nil {
		t.Fatal(err)
	}
	var stored document
	if err := s.records.FindOne(t.Context(), map[string]string{"_id": "k|t|1"}).Decode(&stored); err != nil {
		t.Fatal(err)
	}
	if stored.Children == 0 {
		t.Errorf("children of the record = %d, want more than 0", stored.Children)
	}
	if _, err := s.Get(t.Context(), "t", "part", "1.0"); !fault.Is(err, fault.NotFound) {
		t.Errorf("Get of the child: error = %v, want kind %s", err, fault.NotFound)
	}
}
