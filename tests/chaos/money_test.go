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

// The extent of each test unless PATCHBAY_CHAOS_PAYMENTS is set.
const (
	fewPayments = 150
	shortStall  = time.Second
	longStall   = time.Minute // longer than any lease
)

// extent is how much load and how many faults a test has.
type extent struct {
	payments int           // and as many emails
	every    int           // percent of them between two incidents
	stall    time.Duration // of a whole process
	outage   time.Duration
}

func extentOf(t *testing.T) extent {
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
func seedOf(t *testing.T) uint64 {
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

// incident is a fault of a scenario.
type incident struct {
	name string
	do   func()
}

// run makes the payments and emails of the extent, with one incident after each e.every percent.
func (s *scenario) run(t *testing.T, e extent, next func(at int) incident) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	s.injectFaults()
	done, wait := s.startCallers(ctx, e.payments)
	count := map[string]int{}
	for at := e.every; at < 100; at += e.every {
		i := next(at)
		gateway.Eventually(t, 10*time.Minute, fmt.Sprintf("%d percent are done", at), func() bool { return int(done.Load())*100 >= at*2*e.payments })
		i.do()
		count[i.name]++
	}
	wait()
	if ctx.Err() != nil {
		s.problem("requests without an answer in time", "%d of %d are answered", done.Load(), 2*e.payments)
	}
	t.Attr("count", fmt.Sprintf("seed %d: %v", s.seed, count))
}

// TestMoneyAndMailOnAFile runs one process on a SQLite file: it is killed, its clock is set, it is
// stopped for a while, and an older file is restored.
func TestMoneyAndMailOnAFile(t *testing.T) {
	t.Parallel()
	e, seed := extentOf(t), seedOf(t)
	s := newScenario(t, seed, "")
	s.Restart(t)
	s.store = inFile(t, s.Data("patchbay.db"))
	kept := filepath.Join(t.TempDir(), "kept.db")
	s.run(t, e, func(at int) incident {
		switch {
		case at == 20:
			return incident{"backups", func() { s.backup(t, kept) }}
		case at == 50:
			return incident{"older files", func() { s.restoreBackup(t, kept) }}
		case at == 60:
			return incident{"stalls of " + e.stall.String(), func() { s.stall(t, s.Gateway, e.stall) }}
		case at == 40, at == 90:
			return incident{"outages", func() { s.outage(t, e.outage) }}
		case at%20 == 10:
			return incident{"steps of the clock", func() { s.step(t, time.Duration(s.random.n(240)-120)*time.Minute) }}
		}
		return incident{"kills", func() { s.Kill(); s.Restart(t) }}
	})
	s.settle(t)
	s.repeatAllKeys(t)
	s.reconcile(t)
}

// TestMoneyAndMailOnTwoGateways runs two processes on one database: one is killed, or stopped for
// longer than its leases, while the other continues, and the accounts send webhooks.
func TestMoneyAndMailOnTwoGateways(t *testing.T) {
	t.Parallel()
	e, seed := extentOf(t), seedOf(t)
	server := postgres.Start(t)
	name := server.Database(t)
	s := newScenario(t, seed, gateway.OnPostgres(server, name))
	s.Restart(t)
	twin := s.Twin(t)
	twin.OwnClock(t)
	twin.Restart(t)
	s.all = append(s.all, twin)
	s.store = onServer(server.Connect(t, name))
	s.First.Notify(s.Base+"/api/webhooks/stripe", gateway.FirstSecret)
	s.Second.Notify(twin.Base+"/api/webhooks/stripe", gateway.SecondSecret)
	s.run(t, e, func(at int) incident {
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
	s.repeatAllKeys(t)
	s.reconcile(t)
}

// repeatAllKeys repeats every key after everything has settled. That must charge nothing.
func (s *scenario) repeatAllKeys(t *testing.T) {
	t.Helper()
	charges := func() (n int) {
		for _, entries := range s.charges() {
			n += len(entries)
		}
		return n
	}
	before := charges()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second+time.Duration(len(s.requests))*20*time.Millisecond)
	defer cancel()
	s.repeat(ctx, s.requests, "after everything has settled")
	if now := charges(); now != before {
		s.problem("repeats that charged", "got %d charges, want %d", now, before)
	}
}

const doubled = "payments doubled"

// reconcile compares the answers with what is stored and with what the providers did.
func (s *scenario) reconcile(t *testing.T) {
	t.Helper()
	charges, copies := s.charges(), s.mailCopies()
	var payments, mails, unknown, twice, forgotten, forgottenTwice int
	for order, entries := range charges {
		if len(entries) > 1 {
			s.problem(doubled, "%s: %s %s and %s %s", order, entries[0].account, entries[0].Key, entries[1].account, entries[1].Key)
		}
	}
	for _, r := range s.requests {
		switch {
		case r.path == "/api/payments":
			payments++
			s.checkPayment(t, r, charges[r.key])
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
			case status == "unknown" && r.atMostOnce():
				unknown++
			case status != "sent" || n == 0:
				s.problem("lost emails", "%s is %s, %d copies", r.key, status, n)
			}
			switch {
			case n > 1 && r.atMostOnce():
				s.problem("emails under at_most_once that went out twice", "%s: %d copies", r.key, n)
			case n > 1:
				twice++
			}
		}
	}
	t.Attr("count", fmt.Sprintf("%d payments, %d of them charged, %d doubled; %d emails, %d of them unknown under at_most_once, "+
		"%d twice under at_least_once; %d more emails were accepted after the backup, %d of them went out twice",
		payments, len(charges), len(s.problems[doubled]), mails-forgotten, unknown, twice, forgotten, forgottenTwice))
	s.report(t)
}

// checkPayment compares one payment with the answer to its caller and with its charges.
func (s *scenario) checkPayment(t *testing.T, r *keyedRequest, charges []charge) {
	if r.id == "" { // declined
		if len(charges) > 0 {
			s.problem("declined payments that were charged", "%s", r.key)
		}
		return
	}
	now := s.read(t, "/api/payments/"+r.id)
	switch status := now.Text("status"); {
	case now.Status != 200:
		s.problem("lost payments", "%s: got %d, want 200", r.key, now.Status)
	case (status == "succeeded" || status == "requires_capture") != (len(charges) > 0):
		s.problem("payments whose status differs from their charges", "%s has the charges %+v, and is %s", r.key, charges, now.Body)
	case len(charges) == 1 && (now.Number("amountCaptured") != charges[0].Captured || now.Number("amountRefunded") != charges[0].Refunded):
		s.problem("payments whose amounts differ from the provider's", "%s: got %s, want %+v", r.key, now.Body, charges[0])
	case r.state == "succeeded" && status != "succeeded":
		s.problem("successes that did not stay", "%s is %s", r.key, status)
	}
}

func (s *scenario) read(t *testing.T, path string) (a gateway.Answer) {
	t.Helper()
	gateway.Eventually(t, time.Minute, path+" is read", func() bool {
		a = s.Do(t, "GET", path, nil)
		return a.Status < 500
	})
	return a
}
