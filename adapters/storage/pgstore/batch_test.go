package pgstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/ports"
)

func TestSavesAtOnceShareACommit(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	var records []*ports.Record
	for i := range maxBatch {
		r := newRecord(fmt.Sprint(i))
		r.Events = append(r.Events, event.Event{ID: "second_" + r.ID, Tenant: "t"})
		records = append(records, r)
	}
	for round := range 2 { // they are inserted, and then replaced, each time with two events
		if err := errors.Join(saveAll(t, s, records...)...); err != nil {
			t.Fatal(err)
		}
		s.checkNumber(t, "transactions", 1, `SELECT count(DISTINCT xmin::text) FROM patchbay_record`)
		s.checkNumber(t, "records at the new revision", maxBatch, `SELECT count(*) FROM patchbay_record WHERE rev = $1`, round+1)
	}
	s.checkNumber(t, "pairs of events in their order", 3*maxBatch,
		`SELECT count(*) FROM patchbay_told a JOIN patchbay_told b ON b.id = 'second_' || substr(a.id, 5) AND b.n > a.n`)
}

func TestUserCreationsAtOnceShareACommit(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	create := func(id, email, key string) error {
		return s.Users().Create(t.Context(), user.User{ID: id, Tenant: "t", Email: email, Version: 1}, idempotency.Key{Scoped: key})
	}
	release := occupy(t, &s.userInserts, 4)
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i, email := range []string{"a@example.com", "b@example.com", "c@example.com", "a@example.com"} {
		all.Go(func() { errs[i] = create(fmt.Sprint("usr_", i), email, fmt.Sprint("key-", i)) })
	}
	release()
	all.Wait()
	taken := 0
	for _, err := range errs {
		if fault.Is(err, fault.Conflict) && fault.From(err).Code == "email_taken" {
			taken++
		} else if err != nil {
			t.Error(err)
		}
	}
	if taken != 1 {
		t.Errorf("creations refused with email_taken = %d, want 1 of the two with the same email", taken)
	}
	s.checkNumber(t, "transactions", 1, `SELECT count(DISTINCT xmin::text) FROM patchbay_person`)
	s.checkNumber(t, "events of the 3 created users", 3, `SELECT count(*) FROM patchbay_told JOIN patchbay_person ON subject = patchbay_person.id`)
}

func TestASaveThatFailsDoesNotAffectOthersOfItsBatch(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	owner, mover := newRecord("owner"), newRecord("mover")
	owner.Ref = "taken"
	if err := errors.Join(s.Save(t.Context(), owner, mover)...); err != nil {
		t.Fatal(err)
	}
	mover.Ref = "taken" // which Postgres refuses with an error
	broken := newRecord("bro\x00ken")
	twins := []*ports.Record{newRecord("twin"), newRecord("twin")}
	errs := saveAll(t, s, newRecord("a"), mover, newRecord("b"), broken, twins[0], twins[1], newRecord("c"))
	for _, i := range []int{0, 2, 6} {
		if errs[i] != nil {
			t.Errorf("save %d of the batch, with nothing wrong: %v", i, errs[i])
		}
	}
	if !fault.Is(errs[1], fault.Conflict) {
		t.Errorf("save with a Ref that is taken: error = %v, want kind %s", errs[1], fault.Conflict)
	}
	if !fault.Is(errs[3], fault.Invalid) {
		t.Errorf("save with a zero byte in its ID: error = %v, want kind %s", errs[3], fault.Invalid)
	}
	checkOneSaved(t, twins, errs[4:6])
	s.checkNumber(t, "events of the 6 records that were saved", 6, `SELECT count(*) FROM patchbay_told`)
}

// checkOneSaved checks that one of two records with the same ID was saved, and that the result says
// so of that one only.
func checkOneSaved(t *testing.T, twins []*ports.Record, errs []error) {
	t.Helper()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("saves with the same ID: errors = %v and %v, want one of them nil", errs[0], errs[1])
	}
	if sum := twins[0].Rev + twins[1].Rev; sum != 1 {
		t.Errorf("saves with the same ID: revisions = %d and %d, want 1 for one of them", twins[0].Rev, twins[1].Rev)
	}
}

func TestOneOfTwoSavesWithTheSameIDInABatchSucceeds(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	twins := []*ports.Record{newRecord("twin"), newRecord("twin")}
	checkOneSaved(t, twins, saveAll(t, s, twins...))
}

func TestACallerThatGivesUpDoesNotAffectOthersOfItsBatch(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	end := s.hold(t, insertX)
	release := occupy(t, &s.recordSaves, 2)
	leaving, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.Save(leaving, newRecord("x"))[0]; !fault.Is(err, fault.UnknownOutcome) {
			t.Errorf("save whose caller gave up while it was in progress: error = %v, want kind %s", err, fault.UnknownOutcome)
		}
		end()
	})
	all.Go(func() {
		if err := s.Save(t.Context(), newRecord("y"))[0]; err != nil {
			t.Errorf("save whose caller waited: %v", err)
		}
	})
	release()
	s.blocked(t)
	leave()
	all.Wait()
	s.checkNumber(t, "records of both callers", 2, `SELECT count(*) FROM patchbay_record WHERE id IN ('x', 'y')`)
}

func TestACallerThatGivesUpBeforeItsBatchIsSentWritesNothing(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	release := occupy(t, &s.recordSaves, 1)
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- s.Save(leaving, newRecord("early"))[0] }()
	until(func() bool {
		s.recordSaves.mu.Lock()
		defer s.recordSaves.mu.Unlock()
		return len(s.recordSaves.waiting) == 1
	})
	leave()
	if err := <-left; !fault.Is(err, fault.Unavailable) {
		t.Errorf("save: error = %v, want kind %s", err, fault.Unavailable)
	}
	go func() { _ = s.Save(t.Context(), newRecord("later")) }()
	release()
	until(func() bool { return s.number(t, `SELECT count(*) FROM patchbay_record WHERE id = 'later'`) == 1 })
	s.checkNumber(t, "records, of the later save only", 1, `SELECT count(*) FROM patchbay_record`)
}

// A batch that waits for a lock fails, and each of its calls is then made alone.
func TestOnlyTheSaveOfALockedRowWaitsForTheLock(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	end := s.hold(t, insertX)
	release := occupy(t, &s.recordSaves, 2)
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.Save(t.Context(), newRecord("x"))[0]; err != nil {
			t.Errorf("save of the locked row: %v", err)
		}
	})
	all.Go(func() {
		if err := s.Save(t.Context(), newRecord("y"))[0]; err != nil {
			t.Errorf("save of another row: %v", err)
		}
		end() // only now
	})
	release()
	all.Wait()
}

func TestABatchWhoseConnectionEndsHasAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	end := s.hold(t, insertX)
	release := occupy(t, &s.recordSaves, 2)
	records := []*ports.Record{newRecord("x"), newRecord("y")}
	var all sync.WaitGroup
	for _, r := range records {
		all.Go(func() {
			if err := s.Save(t.Context(), r)[0]; !fault.Is(err, fault.UnknownOutcome) {
				t.Errorf("save of %s: error = %v, want kind %s", r.ID, err, fault.UnknownOutcome)
			}
			if r.Rev != 0 {
				t.Errorf("revision of %s = %d, want 0", r.ID, r.Rev)
			}
		})
	}
	release()
	if s.number(t, `SELECT pg_terminate_backend($1)::int`, s.blocked(t)) != 1 {
		t.Fatal("there was nothing to end")
	}
	all.Wait()
	end()
	s.checkNumber(t, "records of the batch", 0, `SELECT count(*) FROM patchbay_record`)
	if err := errors.Join(saveAll(t, s, records...)...); err != nil {
		t.Errorf("saving them again: %v", err)
	}
}

func TestReadsOfUsersAtOnceShareAStatement(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	for _, tenant := range []string{"t", "u"} {
		if err := s.Users().Create(t.Context(), user.User{ID: "usr_1", Tenant: tenant, Email: tenant + "@example.com", Version: 1}, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
	}
	asks := []userID{{"t", "usr_1"}, {"u", "usr_1"}, {"t", "usr_1"}, {"t", "usr_2"}, {"t", "usr_\x00"}}
	for _, n := range []int{4, 5} { // the last is refused with an error, and the batch with it
		release := occupy(t, &s.userReads, n)
		found, errs := make([]user.User, n), make([]error, n)
		var all sync.WaitGroup
		for i, ask := range asks[:n] {
			all.Go(func() { found[i], errs[i] = s.Users().FindByID(t.Context(), ask.tenant, ask.id) })
		}
		release()
		all.Wait()
		for i, ask := range asks[:3] {
			if want := ask.tenant + "@example.com"; errs[i] != nil || found[i].Email != want {
				t.Errorf("read %d of %d: email = %q, %v, want %q", i, n, found[i].Email, errs[i], want)
			}
		}
		if !fault.Is(errs[3], fault.NotFound) {
			t.Errorf("read of %d with an ID that does not exist: error = %v, want kind %s", n, errs[3], fault.NotFound)
		}
		if n == 5 && !fault.Is(errs[4], fault.Invalid) {
			t.Errorf("read with a zero byte in the ID: error = %v, want kind %s", errs[4], fault.Invalid)
		}
	}
}

func TestReadsOfRecordsAtOnceShareAStatement(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	if err := s.Save(t.Context(), newRecord("a"))[0]; err != nil {
		t.Fatal(err)
	}
	release := occupy(t, &s.recordReads, 3)
	ids := []string{"a", "b", "a"}
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			r, err := s.Get(t.Context(), "t", "thing", id)
			if i == 1 {
				if !fault.Is(err, fault.NotFound) {
					t.Errorf("read of %s: error = %v, want kind %s", id, err, fault.NotFound)
				}
			} else if err != nil || string(r.Body) != "body" {
				t.Errorf("read of %s: body = %q, %v, want %q", id, r.Body, err, "body")
			}
		})
	}
	release()
	all.Wait()
}

func TestACallThatTakesLongGivesUpItsLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		g := &gather[string, string]{lanes: 1, alone: func(_ context.Context, ask string) (string, error) {
			if ask == "slow" {
				<-stuck
			}
			return ask, nil
		}}
		var all sync.WaitGroup
		all.Go(func() { _, _ = g.do(t.Context(), "slow") })
		synctest.Wait()
		start := time.Now()
		if answer, err := g.do(t.Context(), "quick"); answer != "quick" || err != nil {
			t.Errorf("answer = %q, %v, want %q", answer, err, "quick")
		}
		if waited := time.Since(start); waited != patience {
			t.Errorf("the other call waited %s, want %s", waited, patience)
		}
		close(stuck)
		all.Wait()
		synctest.Wait()
		if g.busy != 0 {
			t.Errorf("lanes in use at the end = %d, want 0", g.busy)
		}
	})
}

func TestACallThatFindsNoRoomInTheQueueRunsAlone(t *testing.T) {
	t.Parallel()
	var alone []string
	g := &gather[string, string]{lanes: 1, alone: func(_ context.Context, ask string) (string, error) {
		alone = append(alone, ask)
		return "", nil
	}}
	for range 1 + maxWaiting {
		_, _ = g.enter("waits")
	}
	if _, err := g.do(t.Context(), "one more"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"one more"}; !slices.Equal(alone, want) {
		t.Errorf("calls that ran alone = %q, want %q", alone, want)
	}
}

func TestStatementsArePreparedIfTheServerIsReachedDirectly(t *testing.T) {
	t.Parallel()
	if mode := fresh(t).pool.Config().ConnConfig.DefaultQueryExecMode; mode != pgx.QueryExecModeCacheStatement {
		t.Errorf("mode = %s, want %s", mode, pgx.QueryExecModeCacheStatement)
	}
}
