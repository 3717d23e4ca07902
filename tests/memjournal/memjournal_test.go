package memjournal_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

func TestFail(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		moment string
		kind   fault.Kind
		kept   bool
	}{
		{"before a save, nothing is written", memjournal.Save, fault.Unavailable, false},
		{"after a save, the record is there", memjournal.Saved, fault.UnknownOutcome, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			j := memjournal.New(clock.System{})
			j.Fail = func(op string) error {
				if op == row.moment {
					return fault.New(row.kind, "told_to", "the test said so")
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
				t.Errorf("record kept = %v (%v), want %v", kept, err, row.kept)
			}
		})
	}
}
