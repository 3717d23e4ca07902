package memjournal_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

func TestFailDecidesTheResultOfAnOperation(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		moment string
		kind   fault.Kind
		kept   bool
	}{
		{"a failure before a save writes nothing", memjournal.Save, fault.Unavailable, false},
		{"a failure after a save leaves the record stored", memjournal.Saved, fault.UnknownOutcome, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			j := memjournal.New(clock.System{})
			j.Fail = func(op string) error {
				if op == row.moment {
					return fault.New(row.kind, "scripted", "as the test demands")
				}
				return nil
			}
			r := &ports.Record{Tenant: "t", Kind: "k", ID: "1", Body: []byte("{}")}
			if err := j.Save(t.Context(), r)[0]; !fault.Is(err, row.kind) {
				t.Fatalf("Save = %v, want %v", err, row.kind)
			}
			if r.Rev != 0 {
				t.Errorf("Rev = %d after a save that failed, want 0", r.Rev)
			}
			_, err := j.Get(t.Context(), "t", "k", "1")
			if kept := err == nil; kept != row.kept {
				t.Errorf("the record is stored = %t (%v), want %t", kept, err, row.kept)
			}
		})
	}
}
