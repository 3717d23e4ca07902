package chaos_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// How much there is without PATCHBAY_CHAOS_PAYMENTS, in each of the two tests.
const (
	fewPayments = 150
	shortStall  = time.Second
	longStall   = time.Minute // longer than any lease
)

// extent is how much a test does.
type extent struct {
	payments int           // and as many messages
	every    int           // hundredths of them between two incidents
	stall    time.Duration // of a whole process
	outage   time.Duration
}

func theExtent(t *testing.T) extent {
	t.Helper()
	text := os.Getenv("PATCHBAY_CHAOS_PAYMENTS")
	if text == "" {
		return extent{fewPayments, 10, shortStall, time.Second}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return extent{n, 2, longStall, 5 * time.Second}
}

// seeded is PATCHBAY_CHAOS_SEED, or one that no other run has.
func seeded(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("PATCHBAY_CHAOS_SEED")
	seed := uint64(time.Now().UnixNano())
	if text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	return seed
}

// incident is something that befalls a street.
type incident struct {
	name string
	do   func()
}

// live has shoppers at work while one incident comes after another, each when so many
// hundredths are done.
func (s *street) live(t *testing.T, e extent, next func(at int) incident) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	s.sicken()
	done, wait := s.shoppers(ctx, e.payments)
	count := map[string]int{}
	for at := e.every; at < 100; at += e.every {
		i := next(at)
		gateway.Eventually(t, 10*time.Minute, fmt.Sprintf("%d of 100 are done", at), func() bool { return int(done.Load())*100 >= at*2*e.payments })
		i.do()
		count[i.name]++
	}
	wait()
	if ctx.Err() != nil {
		s.wrong("not all was answered in time", "%d of %d", done.Load(), 2*e.payments)
	}
	t.Attr("count", fmt.Sprintf("seed %d: %v", s.seed, count))
}

// TestMoneyAndMailOnAFile runs one process on a SQLite file: it is killed, its clock is set, it is
// stopped for a while, and an older file is restored.
func TestMoneyAndMailOnAFile(t *testing.T) {
	t.Parallel()
	e, seed := theExtent(t), seeded(t)
	s := newStreet(t, seed, "")
	s.Restart(t)
	s.store = inFile(t, s.Data("patchbay.db"))
	kept := filepath.Join(t.TempDir(), "kept.db")
	s.live(t, e, func(at int) incident {
		switch {
		case at == 20:
			return incident{"backups", func() { s.backup(t, kept) }}
		case at == 50:
			return incident{"older files", func() { s.putBack(t, kept) }}
		case at == 60:
			return incident{"stalls of " + e.stall.String(), func() { s.stall(t, s.Gateway, e.stall) }}
		case at == 40, at == 90:
			return incident{"outages", func() { s.outage(t, e.outage) }}
		case at%20 == 10:
			return incident{"steps of the clock", func() { s.step(t, time.Duration(s.luck.n(240)-120)*time.Minute) }}
		}
		return incident{"kills", func() { s.Kill(); s.Restart(t) }}
	})
	s.settle(t)
	s.late(t)
	s.reconcile(t)
}

// TestMoneyAndMailOnTwoGateways runs two processes on one database: one is killed, or stopped for
// longer than its leases, while the other continues, and the accounts send webhooks.
func TestMoneyAndMailOnTwoGateways(t *testing.T) {
	t.Parallel()
	e, seed := theExtent(t), seeded(t)
	server := postgres.Start(t)
	name := server.Database(t)
	s := newStreet(t, seed, gateway.OnPostgres(server, name))
	s.Restart(t)
	twin := s.Twin(t)
	twin.OwnClock(t)
	twin.Restart(t)
	s.all = append(s.all, twin)
	s.store = onServer(server.Connect(t, name))
	s.First.Notify(s.Base+"/api/webhooks/stripe", gateway.FirstSecret)
	s.Second.Notify(twin.Base+"/api/webhooks/stripe", gateway.SecondSecret)
	s.live(t, e, func(at int) incident {
		g := s.all[at/e.every%2]
		switch at {
		case 40, 70:
			return incident{"stalls of " + e.stall.String(), func() { s.stall(t, g, e.stall) }}
		case 30, 60, 90:
			return incident{"outages", func() { s.outage(t, e.outage) }}
		}
		return incident{"kills", func() { g.Kill(); g.Restart(t) }}
	})
	s.settle(t)
	s.late(t)
	s.reconcile(t)
}

// late repeats every key after all has settled. Nothing is charged for it.
func (s *street) late(t *testing.T) {
	t.Helper()
	charges := func() (n int) {
		for _, entries := range s.books() {
			n += len(entries)
		}
		return n
	}
	before := charges()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second+time.Duration(len(s.requests))*20*time.Millisecond)
	defer cancel()
	s.repeat(ctx, s.requests, "after all has settled")
	if now := charges(); now != before {
		s.wrong("late repeats that charge", "%d charges became %d", before, now)
	}
}

const doubled = "payments doubled"

// reconcile holds what was answered against what is there, and against the providers'
// own books.
func (s *street) reconcile(t *testing.T) {
	t.Helper()
	books, copies := s.books(), s.letters()
	var payments, mails, unknown, twice, forgotten, forgottenTwice int
	for order, entries := range books {
		if len(entries) > 1 {
			s.wrong(doubled, "%s: %s %s and %s %s", order, entries[0].account, entries[0].Key, entries[1].account, entries[1].Key)
		}
	}
	for _, r := range s.requests {
		switch {
		case r.path == "/api/payments":
			payments++
			s.checkPayment(t, r, books[r.key])
		case r.mail():
			mails++
			status := s.read(t, "/api/emails/"+r.id).Text("status")
			n := copies[r.key]
			if r.forgotten {
				forgotten++
				if n > 1 {
					forgottenTwice++
				}
				continue
			}
			switch {
			case status == "unknown" && r.once():
				unknown++
			case status != "sent" || n == 0:
				s.wrong("mail lost", "%s is %s, %d copies", r.key, status, n)
			}
			switch {
			case n > 1 && r.once():
				s.wrong("mail that went out twice, and must not", "%s: %d copies", r.key, n)
			case n > 1:
				twice++
			}
		}
	}
	t.Attr("count", fmt.Sprintf("%d payments, %d of them charged, %d doubled; %d emails, %d of them unknown under at_most_once, "+
		"%d twice under at_least_once; %d more emails were accepted after the backup, %d of them went out twice",
		payments, len(books), len(s.problems[doubled]), mails-forgotten, unknown, twice, forgotten, forgottenTwice))
	s.judge(t)
}

// checkPayment holds one payment against what its caller was told, and what was charged.
func (s *street) checkPayment(t *testing.T, r *errand, charges []charge) {
	if r.id == "" { // declined
		if len(charges) > 0 {
			s.wrong("a decline that was charged", "%s", r.key)
		}
		return
	}
	now := s.read(t, "/api/payments/"+r.id)
	switch status := now.Text("status"); {
	case now.Status != 200:
		s.wrong("payments lost", "%s: %d", r.key, now.Status)
	case (status == "succeeded" || status == "requires_capture") != (len(charges) > 0):
		s.wrong("payments that are not as they were charged", "%s has the charges %+v, and is %s", r.key, charges, now.Body)
	case len(charges) == 1 && (now.Number("amountCaptured") != charges[0].Captured || now.Number("amountRefunded") != charges[0].Refunded):
		s.wrong("amounts that are not the provider's", "%s: %s, %+v", r.key, now.Body, charges[0])
	case r.state == "succeeded" && status != "succeeded":
		s.wrong("a success that is none any more", "%s is %s", r.key, status)
	}
}

func (s *street) read(t *testing.T, path string) (a gateway.Answer) {
	t.Helper()
	gateway.Eventually(t, time.Minute, path+" is read", func() bool {
		a = s.Do(t, "GET", path, nil)
		return a.Status < 500
	})
	return a
}
