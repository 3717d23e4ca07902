package record_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

func TestWalkReadsAllOfAKind(t *testing.T) {
	t.Parallel()
	all, j := things()
	const n = 250 // three pages
	for i := range n {
		e := all.New("t", fmt.Sprint(i))
		e.Value.ID = e.Record.ID
		e.Record.Index = ports.Index{Created: time.UnixMicro(int64(i)), Status: fmt.Sprint("status ", i%2)}
		if err := all.Save(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
	for what, tt := range map[string]struct {
		filter ports.Filter
		want   int
	}{"all": {ports.Filter{}, n}, "of a status": {ports.Filter{Status: "status 1"}, n / 2}} {
		var ids []string
		looked := 0
		count := func(n int) error { looked += n; return nil }
		err := all.Walk(t.Context(), "t", tt.filter, count, func(e record.Entry[thing]) error {
			ids = append(ids, e.Value.ID)
			return nil
		})
		if err != nil || len(ids) != tt.want || looked != tt.want || ids[0] != fmt.Sprint(n-1) {
			t.Errorf("%s: %d read, %d looked at, the first is %v; %v", what, len(ids), looked, ids[:1], err)
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != tt.want {
			t.Errorf("%s: some are read twice", what)
		}
	}
	seen := 0
	err := all.Walk(t.Context(), "t", ports.Filter{}, nil, func(record.Entry[thing]) error { seen++; return refusal })
	if !errors.Is(err, refusal) || seen != 1 {
		t.Errorf("%d read, %v; want it to end with the error", seen, err)
	}
	broken := ports.Record{Tenant: "t", Kind: "thing", ID: "broken", Body: []byte("null")}
	if err := j.Save(t.Context(), &broken)[0]; err != nil {
		t.Fatal(err)
	}
	err = all.Walk(t.Context(), "t", ports.Filter{}, nil, func(record.Entry[thing]) error { return nil })
	if fault.From(err).Code != record.CodeUndecodable {
		t.Errorf("%v, want that one cannot be decoded", err)
	}
}

func TestListReadsAPage(t *testing.T) {
	t.Parallel()
	all, _ := things()
	for _, id := range []string{"a", "b", "c"} {
		e := all.New("t", id)
		e.Value.ID = id
		if err := all.Save(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
	page, next, err := all.List(t.Context(), "t", ports.Filter{}, "", 2)
	if err != nil || len(page) != 2 || next == "" {
		t.Errorf("%v, %q, %v", page, next, err)
	}
	page, next, err = all.List(t.Context(), "t", ports.Filter{}, next, 2)
	if err != nil || len(page) != 1 || next != "" {
		t.Errorf("%v, %q, %v", page, next, err)
	}
	if _, _, err := all.List(t.Context(), "t", ports.Filter{}, "no cursor", 2); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v, want invalid", err)
	}
}

func TestOpenReturnsANewOne(t *testing.T) {
	t.Parallel()
	all, _ := things()
	if e, err := all.Open(t.Context(), "t", "a"); err != nil || e.Record.Name() != "thing|a" || e.Record.Tenant != "t" || e.Record.Rev != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := all.Get(t.Context(), "t", "a"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v, want not found", err)
	}
	if _, err := all.Find(t.Context(), ports.ByRef, ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v, want not found", err)
	}
}
