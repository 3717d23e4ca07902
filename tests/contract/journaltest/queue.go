package journaltest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

func claimDue(t *testing.T, j ports.Journal) {
	fixture.Enqueue(t, j, "later", fixture.Day.Add(2*time.Minute))
	fixture.Enqueue(t, j, "first", fixture.Day)
	fixture.Enqueue(t, j, "second", fixture.Day.Add(time.Minute))
	fixture.Enqueue(t, j, "not yet", time.Now().Add(24*time.Hour))
	elsewhere := fixture.Record("elsewhere")
	elsewhere.Queue, elsewhere.Due = "another", fixture.Day
	fixture.Save(t, j, &elsewhere)
	idle := fixture.Record("idle")
	fixture.Save(t, j, &idle)

	claims := fixture.Claim(t, j, "me", fixture.Lease, 2)
	if fmt.Sprint(fixture.IDs(claims)) != "[first second]" {
		t.Fatalf("got %v, want \"[first second]\"", fixture.IDs(claims))
	}
	c := claims[0]
	if c.Owner != "me" || c.Expired || c.Rev != 2 || string(c.Body) != "body of first" || !c.Due.After(time.Now().Add(fixture.Lease/2)) {
		t.Errorf("got %+v, want owner me, not expired, rev 2, body \"body of first\", due after %v", c, time.Now().Add(fixture.Lease/2))
	}
	if stored := fixture.Get(t, j, "first"); stored.Owner != "me" || stored.Rev != 2 || !stored.Due.Equal(c.Due) {
		t.Errorf("got %+v, want owner me, rev 2, due %v", stored, c.Due)
	}
	if rest := fixture.IDs(fixture.Claim(t, j, "me", fixture.Lease, 10)); fmt.Sprint(rest) != "[later]" {
		t.Errorf("got %v, want \"[later]\"", rest)
	}
	if none := fixture.Claim(t, j, "me", fixture.Lease, 10); len(none) != 0 {
		t.Errorf("got %v, want none", fixture.IDs(none))
	}
}

// A caller computes the time of its claim from Due and the lease; the age of idempotency keys is
// counted from that time. The stores of these tests use the clock of this machine.
func claimHasTheStoresTime(t *testing.T, j ports.Journal) {
	const coarse = time.Millisecond // the precision that a store may round to
	for i, lease := range []time.Duration{time.Minute, 45 * time.Second, fixture.Lease} {
		fixture.Enqueue(t, j, fmt.Sprint("r", i), fixture.Day)
		before := time.Now().Add(-coarse)
		c := fixture.Claim(t, j, "me", lease, 1)[0]
		after := time.Now().Add(coarse)
		if at := c.Due.Add(-lease); at.Before(before) || at.After(after) {
			t.Errorf("got a claim at %s under a lease of %s, want one between %s and %s", at, lease, before, after)
		}
	}
}

func claimsDoNotOverlap(t *testing.T, j ports.Journal) {
	const records = 24
	for i := range records {
		fixture.Enqueue(t, j, fmt.Sprint("r", i), fixture.Day)
	}
	var mu sync.Mutex
	owners := make(map[string]string)
	var all sync.WaitGroup
	for i := range 6 {
		owner := fmt.Sprint("owner", i)
		all.Go(func() {
			for {
				claims, err := j.Claim(t.Context(), fixture.Queue, owner, fixture.Lease, 3)
				if err != nil {
					t.Error(err)
					return
				}
				if len(claims) == 0 {
					return
				}
				mu.Lock()
				for _, c := range claims {
					if before, twice := owners[c.ID]; twice {
						t.Errorf("%s was claimed by %s and by %s, want once", c.ID, before, owner)
					}
					owners[c.ID] = owner
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(owners) != records {
		t.Errorf("got %d claimed records, want %d", len(owners), records)
	}
}

func claimSkipsTenants(t *testing.T, j ports.Journal) {
	of := func(tenant, id string, due time.Time) {
		r := fixture.Record(id)
		r.Tenant, r.Queue, r.Due = tenant, fixture.Queue, due
		fixture.Save(t, j, &r)
	}
	for i := range 8 {
		of("busy", fmt.Sprint("busy", i), fixture.Day.Add(time.Duration(i)*time.Second))
	}
	of("its \"friend\"", "friend", fixture.Day.Add(time.Minute))
	of("other", "other1", fixture.Day.Add(2*time.Minute))
	of("other", "other2", fixture.Day.Add(3*time.Minute))

	take := func(n int, except ...string) string {
		claims, err := j.Claim(t.Context(), fixture.Queue, "me", fixture.Lease, n, except...)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(fixture.IDs(claims))
	}
	if got := take(1, "busy", "its \"friend\""); got != "[other1]" {
		t.Errorf("got %s, want \"[other1]\"", got)
	}
	if got := take(3, "busy"); got != "[friend other2]" {
		t.Errorf("got %s, want \"[friend other2]\"", got)
	}
	if got := take(3, "busy"); got != "[]" {
		t.Errorf("got %s, want \"[]\"", got)
	}
	if got := take(2, "nobody"); got != "[busy0 busy1]" {
		t.Errorf("got %s, want \"[busy0 busy1]\"", got)
	}
	busy, err := j.Get(t.Context(), "busy", fixture.Kind, "busy2")
	if err != nil || busy.Rev != 1 || busy.Owner != "" {
		t.Errorf("passed over: got %+v, %v, want rev 1, no owner", busy, err)
	}
}

func leaseExpires(t *testing.T, j ports.Journal) {
	fixture.Enqueue(t, j, "a", fixture.Day)
	fixture.Claim(t, j, "dead", 30*time.Millisecond, 1)
	var again []ports.Claim
	suite.Eventually(t, "the lease runs out", func() bool {
		again = fixture.Claim(t, j, "next", fixture.Lease, 1)
		return len(again) == 1
	})
	if c := again[0]; !c.Expired || c.Owner != "next" || c.Rev != 3 {
		t.Errorf("got %+v, want expired, owner next, rev 3", c)
	}
}

func leaseKept(t *testing.T, j ports.Journal) {
	fixture.Enqueue(t, j, "a", fixture.Day)
	c := fixture.Claim(t, j, "me", fixture.Lease, 1)[0]
	somebody := fixture.Get(t, j, "a")
	somebody.Body = []byte("news")
	fixture.Save(t, j, &somebody)
	if got := fixture.Get(t, j, "a"); got.Owner != "me" || !got.Due.Equal(c.Due) || got.Queue != fixture.Queue {
		t.Errorf("got %+v, want owner me, due %v, queue %v", got, c.Due, fixture.Queue)
	}
	if more := fixture.Claim(t, j, "you", fixture.Lease, 1); len(more) != 0 {
		t.Errorf("got %v, want none", fixture.IDs(more))
	}
}

func queueCleared(t *testing.T, j ports.Journal) {
	fixture.Enqueue(t, j, "done", fixture.Day)
	fixture.Enqueue(t, j, "again", fixture.Day.Add(time.Minute))
	claims := fixture.Claim(t, j, "me", fixture.Lease, 2)
	done, again := claims[0].Record, claims[1].Record
	done.Queue, done.Owner, done.Due = "", "", time.Time{}
	fixture.Save(t, j, &done)
	again.Owner, again.Due = "", fixture.Day
	fixture.Save(t, j, &again)
	next := fixture.Claim(t, j, "me", fixture.Lease, 2)
	if fmt.Sprint(fixture.IDs(next)) != "[again]" || next[0].Expired {
		t.Errorf("got %+v, want a claim of again that is not marked as expired", next)
	}
}

func lostClaimCannotSave(t *testing.T, j ports.Journal) {
	fixture.Enqueue(t, j, "a", fixture.Day)
	dead := fixture.Claim(t, j, "dead", 30*time.Millisecond, 1)[0].Record
	suite.Eventually(t, "the lease runs out", func() bool { return len(fixture.Claim(t, j, "next", fixture.Lease, 1)) == 1 })
	dead.Body = []byte("too late")
	suite.WantKind(t, j.Save(t.Context(), &dead)[0], fault.Conflict)
	if got := fixture.Get(t, j, "a"); got.Owner != "next" || string(got.Body) == "too late" {
		t.Errorf("got %+v, want owner next, body other than \"too late\"", got)
	}
}
