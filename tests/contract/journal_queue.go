package contract

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

const long = time.Hour // a lease that does not expire during a case

func waiting(t *testing.T, j ports.Journal, id string, due time.Time) {
	t.Helper()
	r := record(id)
	r.Queue, r.Due = queue, due
	save(t, j, &r)
}

func claim(t *testing.T, j ports.Journal, owner string, lease time.Duration, n int) []ports.Claim {
	t.Helper()
	claims, err := j.Claim(t.Context(), queue, owner, lease, n)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func ids(claims []ports.Claim) (list []string) {
	for _, c := range claims {
		list = append(list, c.ID)
	}
	return list
}

func claimDue(t *testing.T, j ports.Journal) {
	waiting(t, j, "later", day.Add(2*time.Minute))
	waiting(t, j, "first", day)
	waiting(t, j, "second", day.Add(time.Minute))
	waiting(t, j, "not yet", time.Now().Add(24*time.Hour))
	elsewhere := record("elsewhere")
	elsewhere.Queue, elsewhere.Due = "another", day
	save(t, j, &elsewhere)
	idle := record("idle")
	save(t, j, &idle)

	claims := claim(t, j, "me", long, 2)
	if fmt.Sprint(ids(claims)) != "[first second]" {
		t.Fatalf("%v", ids(claims))
	}
	c := claims[0]
	if c.Owner != "me" || c.Expired || c.Rev != 2 || string(c.Body) != "body of first" || !c.Due.After(time.Now().Add(long/2)) {
		t.Errorf("%+v", c)
	}
	if stored := get(t, j, "first"); stored.Owner != "me" || stored.Rev != 2 || !stored.Due.Equal(c.Due) {
		t.Errorf("%+v", stored)
	}
	if rest := ids(claim(t, j, "me", long, 10)); fmt.Sprint(rest) != "[later]" {
		t.Errorf("%v", rest)
	}
	if none := claim(t, j, "me", long, 10); len(none) != 0 {
		t.Errorf("%v", ids(none))
	}
}

// A caller computes the time of its claim from Due and the lease; the age of idempotency keys is
// counted from that time. The stores of these tests use the clock of this machine.
func claimTellsTheTime(t *testing.T, j ports.Journal) {
	const coarse = time.Millisecond // the precision that a store may round to
	for i, lease := range []time.Duration{time.Minute, 45 * time.Second, long} {
		waiting(t, j, fmt.Sprint("r", i), day)
		before := time.Now().Add(-coarse)
		c := claim(t, j, "me", lease, 1)[0]
		after := time.Now().Add(coarse)
		if at := c.Due.Add(-lease); at.Before(before) || at.After(after) {
			t.Errorf("taken at %s under a lease of %s, and not between %s and %s", at, lease, before, after)
		}
	}
}

func claimsApart(t *testing.T, j ports.Journal) {
	const records = 24
	for i := range records {
		waiting(t, j, fmt.Sprint("r", i), day)
	}
	var mu sync.Mutex
	owners := make(map[string]string)
	var all sync.WaitGroup
	for i := range 6 {
		owner := fmt.Sprint("owner", i)
		all.Go(func() {
			for {
				claims, err := j.Claim(t.Context(), queue, owner, long, 3)
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
						t.Errorf("%s was claimed by %s and by %s", c.ID, before, owner)
					}
					owners[c.ID] = owner
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(owners) != records {
		t.Errorf("%d of %d were claimed", len(owners), records)
	}
}

func claimPassesOver(t *testing.T, j ports.Journal) {
	of := func(tenant, id string, due time.Time) {
		r := record(id)
		r.Tenant, r.Queue, r.Due = tenant, queue, due
		save(t, j, &r)
	}
	for i := range 8 {
		of("busy", fmt.Sprint("busy", i), day.Add(time.Duration(i)*time.Second))
	}
	of("its \"friend\"", "friend", day.Add(time.Minute))
	of("other", "other1", day.Add(2*time.Minute))
	of("other", "other2", day.Add(3*time.Minute))

	take := func(n int, except ...string) string {
		claims, err := j.Claim(t.Context(), queue, "me", long, n, except...)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(ids(claims))
	}
	if got := take(1, "busy", "its \"friend\""); got != "[other1]" {
		t.Errorf("%s", got)
	}
	if got := take(3, "busy"); got != "[friend other2]" {
		t.Errorf("%s", got)
	}
	if got := take(3, "busy"); got != "[]" {
		t.Errorf("%s", got)
	}
	if got := take(2, "nobody"); got != "[busy0 busy1]" {
		t.Errorf("%s", got)
	}
	busy, err := j.Get(t.Context(), "busy", kind, "busy2")
	if err != nil || busy.Rev != 1 || busy.Owner != "" {
		t.Errorf("passed over: %+v, %v", busy, err)
	}
}

func leaseRunsOut(t *testing.T, j ports.Journal) {
	waiting(t, j, "a", day)
	claim(t, j, "dead", 30*time.Millisecond, 1)
	var again []ports.Claim
	soon(t, "the lease runs out", func() bool {
		again = claim(t, j, "heir", long, 1)
		return len(again) == 1
	})
	if c := again[0]; !c.Expired || c.Owner != "heir" || c.Rev != 3 {
		t.Errorf("%+v", c)
	}
}

func leaseKept(t *testing.T, j ports.Journal) {
	waiting(t, j, "a", day)
	c := claim(t, j, "me", long, 1)[0]
	somebody := get(t, j, "a")
	somebody.Body = []byte("news")
	save(t, j, &somebody)
	if got := get(t, j, "a"); got.Owner != "me" || !got.Due.Equal(c.Due) || got.Queue != queue {
		t.Errorf("%+v", got)
	}
	if more := claim(t, j, "you", long, 1); len(more) != 0 {
		t.Errorf("%v", ids(more))
	}
}

func queueCleared(t *testing.T, j ports.Journal) {
	waiting(t, j, "done", day)
	waiting(t, j, "again", day.Add(time.Minute))
	claims := claim(t, j, "me", long, 2)
	done, again := claims[0].Record, claims[1].Record
	done.Queue, done.Owner, done.Due = "", "", time.Time{}
	save(t, j, &done)
	again.Owner, again.Due = "", day
	save(t, j, &again)
	next := claim(t, j, "me", long, 2)
	if fmt.Sprint(ids(next)) != "[again]" || next[0].Expired {
		t.Errorf("%+v", next)
	}
}

func fence(t *testing.T, j ports.Journal) {
	waiting(t, j, "a", day)
	dead := claim(t, j, "dead", 30*time.Millisecond, 1)[0].Record
	soon(t, "the lease runs out", func() bool { return len(claim(t, j, "heir", long, 1)) == 1 })
	dead.Body = []byte("too late")
	wantKind(t, j.Save(t.Context(), &dead)[0], fault.Conflict)
	if got := get(t, j, "a"); got.Owner != "heir" || string(got.Body) == "too late" {
		t.Errorf("%+v", got)
	}
}
