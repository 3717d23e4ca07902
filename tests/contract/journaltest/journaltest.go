// Package journaltest is the contract suite of ports.Journal. Every store and every decorator of a
// journal runs it from a test called TestContract. docs/contract.md lists its cases.
//
// The suite needs an empty journal for each case, and a declaration of how several processes share
// one store (Processes). If they can be tried, TestMain of the adapter's package calls Main, since
// the suite starts the test binary as further processes.
package journaltest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

// Harness is an empty journal for one case.
type Harness struct {
	Journal ports.Journal
}

type testCase = suite.Case[ports.Journal] // its harness has one field

// Run runs the suite. open makes an empty journal; processes declares how several processes share
// one store.
func Run(t *testing.T, processes Processes, open func(t *testing.T) Harness) {
	suite.Run(t, processes.cases(), func(t *testing.T) string { return processes.Make(t) })
	suite.Run(t, cases, func(t *testing.T) ports.Journal { return open(t).Journal })
}

func insertedIsRead(t *testing.T, j ports.Journal) {
	r := fixture.Record("a")
	r.Idem, r.Ref, r.Index.Status, r.Index.Customer = "acme|route|k", "stripe:pi_1", "open", "cus_1"
	fixture.Save(t, j, &r)
	byID, err := j.Get(t.Context(), fixture.Tenant, fixture.Kind, "a")
	byIdem, err2 := j.Find(t.Context(), fixture.Kind, ports.ByIdem, "acme|route|k")
	byRef, err3 := j.Find(t.Context(), fixture.Kind, ports.ByRef, "stripe:pi_1")
	for _, err := range []error{err, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for how, got := range map[string]ports.Record{"id": byID, "idem": byIdem, "ref": byRef} {
		if got.ID != "a" || got.Rev != 1 || string(got.Body) != "body of a" || got.Idem != r.Idem || got.Ref != r.Ref ||
			got.Index.Status != "open" || got.Index.Customer != "cus_1" || got.Queue != "" || got.Owner != "" || len(got.Events) != 0 {
			t.Errorf("by %s: got %+v, want ID a, rev 1, body \"body of a\", idem %v, ref %v, open, customer cus_1, no queue, no owner, no events", how, got, r.Idem, r.Ref)
		}
	}
	_, err = j.Get(t.Context(), fixture.Tenant, fixture.Kind, "b")
	suite.WantKind(t, err, fault.NotFound)
	_, err = j.Find(t.Context(), fixture.Kind, ports.ByIdem, "nobody's")
	suite.WantKind(t, err, fault.NotFound)
}

func saveIncrementsRevision(t *testing.T, j ports.Journal) {
	r := fixture.Record("a")
	for want := int64(1); want <= 3; want++ {
		r.Body = fmt.Appendf(nil, "body %d", want)
		fixture.Save(t, j, &r)
		if got := fixture.Get(t, j, "a"); r.Rev != want || got.Rev != want || string(got.Body) != string(r.Body) {
			t.Fatalf("revision %d in place, %d stored with %q; want %d", r.Rev, got.Rev, got.Body, want)
		}
	}
}

func taken(t *testing.T, j ports.Journal) {
	r := fixture.Record("a")
	r.Idem, r.Ref = "i", "r"
	fixture.Save(t, j, &r)
	b := fixture.Record("b")
	fixture.Save(t, j, &b)
	for name, change := range map[string]func(*ports.Record){
		"the id":                          func(n *ports.Record) { n.ID = "a" },
		"the idem":                        func(n *ports.Record) { n.Idem = "i" },
		"the ref":                         func(n *ports.Record) { n.Ref = "r" },
		"the idem, by another tenant":     func(n *ports.Record) { n.Idem, n.Tenant = "i", fixture.Other },
		"the idem, in a change":           func(n *ports.Record) { *n = fixture.Get(t, j, "b"); n.Idem = "i" },
		"the ref, in a change":            func(n *ports.Record) { *n = fixture.Get(t, j, "b"); n.Ref = "r" },
		"a revision of what is not there": func(n *ports.Record) { n.Rev = 1 },
	} {
		n := fixture.Record("new")
		change(&n)
		rev := n.Rev
		if err := j.Save(t.Context(), &n)[0]; !fault.Is(err, fault.Conflict) || n.Rev != rev {
			t.Errorf("%s: %v, revision %d, want kind %v, rev %v", name, err, n.Rev, fault.Conflict, rev)
		}
	}
	if got := fixture.Get(t, j, "b"); got.Rev != 1 {
		t.Errorf("a refused change was made: got %+v, want 1", got)
	}
}

func uniqueByKind(t *testing.T, j ports.Journal) {
	a, b := fixture.Record("a"), fixture.Record("a")
	a.Idem, a.Ref = "same", "same"
	b.Idem, b.Ref, b.Kind = "same", "same", "another"
	fixture.Save(t, j, &a)
	fixture.Save(t, j, &b)
	got, err := j.Find(t.Context(), "another", ports.ByRef, "same")
	if err != nil || got.Kind != "another" {
		t.Errorf("got %+v, %v, want kind another", got, err)
	}
}

func uniqueFreed(t *testing.T, j ports.Journal) {
	a := fixture.Record("a")
	a.Idem, a.Ref = "i", "r"
	fixture.Save(t, j, &a)
	a.Idem, a.Ref = "", "r2"
	fixture.Save(t, j, &a)
	b := fixture.Record("b")
	b.Idem, b.Ref = "i", "r"
	fixture.Save(t, j, &b)
	if got, err := j.Find(t.Context(), fixture.Kind, ports.ByIdem, "i"); err != nil || got.ID != "b" {
		t.Errorf("got %+v, %v, want ID b", got, err)
	}
}

func emptyMatchesNone(t *testing.T, j ports.Journal) {
	a, b := fixture.Record("a"), fixture.Record("b")
	fixture.Save(t, j, &a)
	fixture.Save(t, j, &b)
	_, err := j.Find(t.Context(), fixture.Kind, ports.ByIdem, "")
	suite.WantKind(t, err, fault.NotFound)
	_, err = j.Find(t.Context(), fixture.Kind, ports.ByRef, "")
	suite.WantKind(t, err, fault.NotFound)
}

func staleRefused(t *testing.T, j ports.Journal) {
	a := fixture.Record("a")
	fixture.Save(t, j, &a)
	stale := a
	fixture.Save(t, j, &a)
	stale.Body = []byte("stale")
	suite.WantKind(t, j.Save(t.Context(), &stale)[0], fault.Conflict)
	if got := fixture.Get(t, j, "a"); got.Rev != 2 || string(got.Body) == "stale" {
		t.Errorf("got %+v, want rev 2, body other than stale", got)
	}
}

func incompleteRefused(t *testing.T, j ports.Journal) {
	for name, change := range map[string]func(*ports.Record){
		"no id":   func(r *ports.Record) { r.ID = "" },
		"no kind": func(r *ports.Record) { r.Kind = "" },
		"no body": func(r *ports.Record) { r.Body = nil },
	} {
		r := fixture.Record("a")
		change(&r)
		if err := j.Save(t.Context(), &r)[0]; !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want kind %v", name, err, fault.Invalid)
		}
	}
}

func savedIndependently(t *testing.T, j ports.Journal) {
	there := fixture.Record("there")
	fixture.Save(t, j, &there)
	a, again, b := fixture.Record("a"), fixture.Record("there"), fixture.Record("b")
	errs := j.Save(t.Context(), &a, &again, &b)
	if len(errs) != 3 || errs[0] != nil || !fault.Is(errs[1], fault.Conflict) || errs[2] != nil {
		t.Fatalf("got %v, want 3 errors, the second of kind %v and no other", errs, fault.Conflict)
	}
	fixture.Get(t, j, "a")
	fixture.Get(t, j, "b")
	if again.Rev != 0 || a.Rev != 1 {
		t.Errorf("revisions %d and %d, want rev 0, rev 1", again.Rev, a.Rev)
	}
}

func tenantsSeparated(t *testing.T, j ports.Journal) {
	a, b := fixture.Record("a"), fixture.Record("a")
	b.Tenant, b.Body = fixture.Other, []byte("another body")
	fixture.Save(t, j, &a)
	fixture.Save(t, j, &b)
	if got := fixture.Get(t, j, "a"); string(got.Body) != "body of a" {
		t.Errorf("got %s, want \"body of a\"", got.Body)
	}
	c := fixture.Record("c")
	fixture.Save(t, j, &c)
	_, err := j.Get(t.Context(), fixture.Other, fixture.Kind, "c")
	suite.WantKind(t, err, fault.NotFound)
	page, err := j.List(t.Context(), fixture.Other, fixture.Kind, ports.Filter{}, "", 10)
	if err != nil || len(page.Records) != 1 || page.Records[0].Tenant != fixture.Other {
		t.Errorf("got %+v, %v, want 1 record, tenant %v", page, err, fixture.Other)
	}
}

func bodies(t *testing.T, j ports.Journal) {
	r := fixture.Record("a")
	r.Body = make([]byte, 1<<20)
	for i := range r.Body {
		r.Body[i] = byte(i * 7)
	}
	fixture.Save(t, j, &r)
	if got := fixture.Get(t, j, "a"); string(got.Body) != string(r.Body) {
		t.Errorf("got %d bytes, want the %d that were saved", len(got.Body), len(r.Body))
	}
	odd := fixture.Record(`o'"d; DROP TABLE record; {"$ne":""} ü`)
	odd.Idem, odd.Index.Status = odd.ID, odd.ID
	fixture.Save(t, j, &odd)
	if got := fixture.Get(t, j, odd.ID); got.Idem != odd.ID || got.Index.Status != odd.ID {
		t.Errorf("got %+v, want idem %v, %v", got, odd.ID, odd.ID)
	}
}

func microseconds(t *testing.T, j ports.Journal) {
	r := fixture.Record("a")
	r.Index.Created, r.Queue, r.Due = fixture.Day.Add(123456*time.Microsecond), fixture.Queue, fixture.Day.Add(time.Microsecond)
	fixture.Save(t, j, &r)
	if got := fixture.Get(t, j, "a"); !got.Index.Created.Equal(r.Index.Created) || !got.Due.Equal(r.Due) || got.Due.Location() != time.UTC {
		t.Errorf("created %s, due %s, want created %v, due %v, location %v", got.Index.Created, got.Due, r.Index.Created, r.Due, time.UTC)
	}
	n := fixture.Record("b")
	fixture.Save(t, j, &n)
	if got := fixture.Get(t, j, "b"); !got.Due.IsZero() {
		t.Errorf("a due from nowhere: got %s, want no due", got.Due)
	}
}

func contextEnded(t *testing.T, j ports.Journal) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := fixture.Record("a")
	err := j.Save(ctx, &r)[0]
	if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.UnknownOutcome) {
		t.Errorf("save: got %v, want kind %s or %s", err, fault.Unavailable, fault.UnknownOutcome)
	}
	if fault.Is(err, fault.Unavailable) { // Unavailable promises that nothing was written
		_, err := j.Get(t.Context(), fixture.Tenant, fixture.Kind, "a")
		suite.WantKind(t, err, fault.NotFound)
	}
}

func pings(t *testing.T, j ports.Journal) {
	for range 2 {
		if err := j.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
