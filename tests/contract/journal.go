package contract

import (
	"context"
	"fmt"
	"testing"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

// JournalHarness is an empty journal for one case.
type JournalHarness struct {
	Journal ports.Journal
}

const (
	kind   = "thing"
	tenant = "acme"
	other  = "globex"
	queue  = "things"
)

// Journal runs the suite for ports.Journal. open makes an empty journal; processes declares how
// several processes share one store.
func Journal(t *testing.T, processes Processes, open func(t *testing.T) JournalHarness) {
	processes.run(t)
	for _, c := range []struct {
		name string
		run  func(t *testing.T, j ports.Journal)
	}{
		{"an inserted record is read by id, idem and ref", insertedIsRead},
		{"a save counts the revision", saveCounts},
		{"an id, an idem and a ref are taken once", taken},
		{"a unique value holds for its kind", uniqueByKind},
		{"a unique value that is given up is free", uniqueFreed},
		{"an empty unique value is nobody's", emptyIsNobodys},
		{"a stale revision is refused", staleRefused},
		{"a record without id, kind or body is refused", incompleteRefused},
		{"each record of a save stands for itself", eachForItself},
		{"tenants do not see each other", tenantsApart},
		{"a body of 1 MB of any bytes comes back", bodies},
		{"times keep their microseconds", microseconds},
		{"twenty changes at once lose none", changesAtOnce},
		{"twenty inserts of one idem make one record", insertsAtOnce},
		{"a list is newest first and filtered", listFiltered},
		{"a list goes on while records come and go", listGoesOn},
		{"a page ends by bytes, and the list goes on", listEndsByBytes},
		{"a list leaves out contents, and everything else has them", contentLeftOut},
		{"a record without its content is not saved", partialRefused},
		{"a cursor that is none is refused", badCursor},
		{"a claim takes what is due, the longest due first", claimDue},
		{"a claim tells the store's clock by the end of its lease", claimTellsTheTime},
		{"claims never overlap", claimsApart},
		{"a lease that ran out is claimed again, and says so", leaseRunsOut},
		{"a claim passes over tenants that it is told to, and leaves what they have as it is", claimPassesOver},
		{"a save that keeps the claim keeps the lease", leaseKept},
		{"a save that clears the queue ends the waiting", queueCleared},
		{"an owner whose claim is gone cannot save", fence},
		{"the feed has every event once, in order, without gaps", feedGapless},
		{"the feed shows a tenant its own events, and whoever asks for all of them all", feedByTenant},
		{"a refused save tells the feed nothing", feedOnlySaved},
		{"an event is read again by its number, as it was told, whatever was purged since", feedReread},
		{"children come with their record, and stay", attached},
		{"of a record that is refused no child stays", attachRefused},
		{"what is no record with children is refused", attachInvalid},
		{"twenty attached at once make one record", attachedAtOnce},
		{"a record that is detached has no children", detached},
		{"a refused detach leaves the children", refusedDetach},
		{"what is old and waits nowhere is purged, with its children", purged},
		{"a call whose context has ended does nothing", contextEnded},
		{"what waits is counted, with the first that comes due", countsWaiting},
		{"what is flagged is counted, with the first since when", countsFlagged},
		{"what is counted is bounded, and the first is exact all the same", countsSoFar},
		{"a ping writes", pings},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t).Journal)
		})
	}
}

func record(id string) ports.Record {
	return ports.Record{Tenant: tenant, Kind: kind, ID: id, Body: []byte("body of " + id), Index: ports.Index{Created: day}}
}

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func save(t *testing.T, j ports.Journal, r *ports.Record) {
	t.Helper()
	if err := j.Save(t.Context(), r)[0]; err != nil {
		t.Fatalf("save of %s: %v", r.ID, err)
	}
}

func get(t *testing.T, j ports.Journal, id string) ports.Record {
	t.Helper()
	r, err := j.Get(t.Context(), tenant, kind, id)
	if err != nil {
		t.Fatalf("get of %s: %v", id, err)
	}
	return r
}

func wantKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%v, want %s", err, kind)
	}
}

// soon polls until ok returns true.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit.C:
			t.Fatal("not in time: " + what)
		case <-tick.C:
		}
	}
}

func insertedIsRead(t *testing.T, j ports.Journal) {
	r := record("a")
	r.Idem, r.Ref, r.Index.Status, r.Index.Customer = "acme|route|k", "stripe:pi_1", "open", "cus_1"
	save(t, j, &r)
	byID, err := j.Get(t.Context(), tenant, kind, "a")
	byIdem, err2 := j.Find(t.Context(), kind, ports.ByIdem, "acme|route|k")
	byRef, err3 := j.Find(t.Context(), kind, ports.ByRef, "stripe:pi_1")
	for _, err := range []error{err, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for how, got := range map[string]ports.Record{"id": byID, "idem": byIdem, "ref": byRef} {
		if got.ID != "a" || got.Rev != 1 || string(got.Body) != "body of a" || got.Idem != r.Idem || got.Ref != r.Ref ||
			got.Index.Status != "open" || got.Index.Customer != "cus_1" || got.Queue != "" || got.Owner != "" || len(got.Events) != 0 {
			t.Errorf("by %s: %+v", how, got)
		}
	}
	_, err = j.Get(t.Context(), tenant, kind, "b")
	wantKind(t, err, fault.NotFound)
	_, err = j.Find(t.Context(), kind, ports.ByIdem, "nobody's")
	wantKind(t, err, fault.NotFound)
}

func saveCounts(t *testing.T, j ports.Journal) {
	r := record("a")
	for want := int64(1); want <= 3; want++ {
		r.Body = fmt.Appendf(nil, "body %d", want)
		save(t, j, &r)
		if got := get(t, j, "a"); r.Rev != want || got.Rev != want || string(got.Body) != string(r.Body) {
			t.Fatalf("revision %d in place, %d stored with %q; want %d", r.Rev, got.Rev, got.Body, want)
		}
	}
}

func taken(t *testing.T, j ports.Journal) {
	r := record("a")
	r.Idem, r.Ref = "i", "r"
	save(t, j, &r)
	b := record("b")
	save(t, j, &b)
	for name, change := range map[string]func(*ports.Record){
		"the id":                          func(n *ports.Record) { n.ID = "a" },
		"the idem":                        func(n *ports.Record) { n.Idem = "i" },
		"the ref":                         func(n *ports.Record) { n.Ref = "r" },
		"the idem, by another tenant":     func(n *ports.Record) { n.Idem, n.Tenant = "i", other },
		"the idem, in a change":           func(n *ports.Record) { *n = get(t, j, "b"); n.Idem = "i" },
		"the ref, in a change":            func(n *ports.Record) { *n = get(t, j, "b"); n.Ref = "r" },
		"a revision of what is not there": func(n *ports.Record) { n.Rev = 1 },
	} {
		n := record("new")
		change(&n)
		rev := n.Rev
		if err := j.Save(t.Context(), &n)[0]; !fault.Is(err, fault.Conflict) || n.Rev != rev {
			t.Errorf("%s: %v, revision %d", name, err, n.Rev)
		}
	}
	if got := get(t, j, "b"); got.Rev != 1 {
		t.Errorf("a refused change was made: %+v", got)
	}
}

func uniqueByKind(t *testing.T, j ports.Journal) {
	a, b := record("a"), record("a")
	a.Idem, a.Ref = "same", "same"
	b.Idem, b.Ref, b.Kind = "same", "same", "another"
	save(t, j, &a)
	save(t, j, &b)
	got, err := j.Find(t.Context(), "another", ports.ByRef, "same")
	if err != nil || got.Kind != "another" {
		t.Errorf("%+v, %v", got, err)
	}
}

func uniqueFreed(t *testing.T, j ports.Journal) {
	a := record("a")
	a.Idem, a.Ref = "i", "r"
	save(t, j, &a)
	a.Idem, a.Ref = "", "r2"
	save(t, j, &a)
	b := record("b")
	b.Idem, b.Ref = "i", "r"
	save(t, j, &b)
	if got, err := j.Find(t.Context(), kind, ports.ByIdem, "i"); err != nil || got.ID != "b" {
		t.Errorf("%+v, %v", got, err)
	}
}

func emptyIsNobodys(t *testing.T, j ports.Journal) {
	a, b := record("a"), record("b")
	save(t, j, &a)
	save(t, j, &b)
	_, err := j.Find(t.Context(), kind, ports.ByIdem, "")
	wantKind(t, err, fault.NotFound)
	_, err = j.Find(t.Context(), kind, ports.ByRef, "")
	wantKind(t, err, fault.NotFound)
}

func staleRefused(t *testing.T, j ports.Journal) {
	a := record("a")
	save(t, j, &a)
	stale := a
	save(t, j, &a)
	stale.Body = []byte("stale")
	wantKind(t, j.Save(t.Context(), &stale)[0], fault.Conflict)
	if got := get(t, j, "a"); got.Rev != 2 || string(got.Body) == "stale" {
		t.Errorf("%+v", got)
	}
}

func incompleteRefused(t *testing.T, j ports.Journal) {
	for name, change := range map[string]func(*ports.Record){
		"no id":   func(r *ports.Record) { r.ID = "" },
		"no kind": func(r *ports.Record) { r.Kind = "" },
		"no body": func(r *ports.Record) { r.Body = nil },
	} {
		r := record("a")
		change(&r)
		if err := j.Save(t.Context(), &r)[0]; !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func eachForItself(t *testing.T, j ports.Journal) {
	there := record("there")
	save(t, j, &there)
	a, again, b := record("a"), record("there"), record("b")
	errs := j.Save(t.Context(), &a, &again, &b)
	if len(errs) != 3 || errs[0] != nil || !fault.Is(errs[1], fault.Conflict) || errs[2] != nil {
		t.Fatalf("%v", errs)
	}
	get(t, j, "a")
	get(t, j, "b")
	if again.Rev != 0 || a.Rev != 1 {
		t.Errorf("revisions %d and %d", again.Rev, a.Rev)
	}
}

func tenantsApart(t *testing.T, j ports.Journal) {
	a, b := record("a"), record("a")
	b.Tenant, b.Body = other, []byte("another body")
	save(t, j, &a)
	save(t, j, &b)
	if got := get(t, j, "a"); string(got.Body) != "body of a" {
		t.Errorf("%s", got.Body)
	}
	c := record("c")
	save(t, j, &c)
	_, err := j.Get(t.Context(), other, kind, "c")
	wantKind(t, err, fault.NotFound)
	page, err := j.List(t.Context(), other, kind, ports.Filter{}, "", 10)
	if err != nil || len(page.Records) != 1 || page.Records[0].Tenant != other {
		t.Errorf("%+v, %v", page, err)
	}
}

func bodies(t *testing.T, j ports.Journal) {
	r := record("a")
	r.Body = make([]byte, 1<<20)
	for i := range r.Body {
		r.Body[i] = byte(i * 7)
	}
	save(t, j, &r)
	if got := get(t, j, "a"); string(got.Body) != string(r.Body) {
		t.Errorf("%d bytes came back otherwise", len(got.Body))
	}
	odd := record(`o'"d; DROP TABLE record; {"$ne":""} ü`)
	odd.Idem, odd.Index.Status = odd.ID, odd.ID
	save(t, j, &odd)
	if got := get(t, j, odd.ID); got.Idem != odd.ID || got.Index.Status != odd.ID {
		t.Errorf("%+v", got)
	}
}

func microseconds(t *testing.T, j ports.Journal) {
	r := record("a")
	r.Index.Created, r.Queue, r.Due = day.Add(123456*time.Microsecond), queue, day.Add(time.Microsecond)
	save(t, j, &r)
	if got := get(t, j, "a"); !got.Index.Created.Equal(r.Index.Created) || !got.Due.Equal(r.Due) || got.Due.Location() != time.UTC {
		t.Errorf("created %s, due %s", got.Index.Created, got.Due)
	}
	n := record("b")
	save(t, j, &n)
	if got := get(t, j, "b"); !got.Due.IsZero() {
		t.Errorf("a due from nowhere: %s", got.Due)
	}
}

func contextEnded(t *testing.T, j ports.Journal) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := record("a")
	err := j.Save(ctx, &r)[0]
	if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.UnknownOutcome) {
		t.Errorf("save: %v", err)
	}
	if fault.Is(err, fault.Unavailable) { // Unavailable promises that nothing was written
		_, err := j.Get(t.Context(), tenant, kind, "a")
		wantKind(t, err, fault.NotFound)
	}
}

func pings(t *testing.T, j ports.Journal) {
	for range 2 {
		if err := j.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func note(tenant, subject string, n int) event.Event {
	return event.Event{
		ID: fmt.Sprintf("fev_%s_%d", subject, n), Tenant: tenant, Type: "thing.changed", Subject: subject,
		At: day, Data: fmt.Appendf(nil, `{"n":%d}`, n),
	}
}
