package payments_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/storecopy"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// mustPay makes a payment of 12.50.
func mustPay(t *testing.T, s *payments.Service, k string) payment.Payment {
	t.Helper()
	res, err := s.Create(t.Context(), tenant, request(), key(k, "a"))
	if err != nil || res.Payment.Status != payment.Succeeded {
		t.Fatalf("%s: %+v, %v", k, res.Payment, err)
	}
	return res.Payment
}

// paid is the payment of 12.50 under the key k.
func (r *rig) paid(t *testing.T) payment.Payment {
	t.Helper()
	return mustPay(t, r.Service, "k")
}

// backup is a copy of the journal that has one payment of it.
func (r *rig) backup(t *testing.T, id string) *memjournal.Journal {
	t.Helper()
	record, err := r.journal.Get(t.Context(), tenant, "payment", id)
	if err != nil {
		t.Fatal(err)
	}
	older := memjournal.New(clock.System{})
	record.Rev = 0
	r.copied = time.Now()
	if err := older.Save(t.Context(), &record)[0]; err != nil {
		t.Fatal(err)
	}
	return older
}

// cloned is a whole copy of a journal, as a backup of its file is.
func cloned(t *testing.T, j *memjournal.Journal) *memjournal.Journal {
	t.Helper()
	to := memjournal.New(clock.System{})
	if _, err := j.Publish(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	for _, section := range ports.Sections() {
		page, next, err := memjournal.Archive{Journal: j}.Scan(t.Context(), section, "", 10_000)
		if err != nil {
			t.Fatal(next, err)
		}
		if err := (memjournal.Archive{Journal: to}).Put(t.Context(), section, page...); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// used marks a journal as one that a gateway works on, as that does when it starts.
func used(t *testing.T, j *memjournal.Journal) {
	t.Helper()
	if _, err := storecopy.Use(t.Context(), j, clock.System{}, false); err != nil {
		t.Fatal(err)
	}
}

// failAll sets the script of all providers.
func (r *rig) failAll(s script) {
	for _, p := range r.all {
		p.failBefore(s)
	}
}

// refusedInCall has the first provider refuse what is asked for. The copy was made during
// its call.
func (r *rig) refusedInCall(t *testing.T, ask func()) (older *memjournal.Journal) {
	t.Helper()
	r.provider.failBefore(func(context.Context, payment.Action, int) error {
		page, err := r.journal.List(t.Context(), tenant, "payment", ports.Filter{}, "", 2)
		if err != nil || len(page.Records) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		older = r.backup(t, page.Records[0].ID)
		return fault.New(fault.Unavailable, "scripted", "")
	})
	defer r.provider.failBefore(nil)
	ask()
	return older
}

// failedOver makes a payment that the first provider refuses and the second takes. The copy
// was made during the call of the first.
func (r *rig) failedOver(t *testing.T) (older *memjournal.Journal, p payment.Payment) {
	t.Helper()
	older = r.refusedInCall(t, func() {
		res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil || route(res.Payment) != "first not_sent, second succeeded" {
			t.Fatalf("%s, %v", route(res.Payment), err)
		}
		p = res.Payment
	})
	return older, p
}

// refusedThenPaid makes a payment that all providers refuse, and that the second takes when
// its key is repeated. The copy was made in between.
func (r *rig) refusedThenPaid(t *testing.T, s *payments.Service) (older *memjournal.Journal, p payment.Payment) {
	t.Helper()
	r.failAll(always(fault.Unavailable))
	res, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
	if !fault.Is(err, fault.Unavailable) {
		t.Fatalf("%+v, %v", res.Payment, err)
	}
	older = r.backup(t, res.Payment.ID)
	r.all[1].failBefore(nil)
	res, err = s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
	if err != nil || res.Payment.Provider != "second" || res.Payment.Status != payment.Succeeded {
		t.Fatalf("%+v, %v", res.Payment, err)
	}
	r.failAll(nil)
	return older, res.Payment
}

// onCopy has a gateway work on an older copy of its journal, from now on.
func (r *rig) onCopy(older *memjournal.Journal) func(*payments.Options) {
	restore := payments.Restore{At: time.Now(), Since: r.copied}
	return func(o *payments.Options) {
		o.Journal, o.Restored = older, func() payments.Restore { return restore }
	}
}

// restored is a second gateway, on an older copy of the journal from now on.
func (r *rig) restored(t *testing.T, older *memjournal.Journal, change ...func(*payments.Options)) *payments.Service {
	t.Helper()
	return r.another(t, "two", append([]func(*payments.Options){r.onCopy(older)}, change...)...)
}

// putBack is the gateway on an older copy of its journal: as it was before anything was
// made, but for these payments as they were then.
func (r *rig) putBack(t *testing.T, older ...payment.Payment) *payments.Service {
	t.Helper()
	journal := memjournal.New(clock.System{})
	for _, p := range older {
		record, err := r.journal.Get(t.Context(), tenant, "payment", p.ID)
		if err != nil {
			t.Fatal(err)
		}
		record.Rev, record.Ref, record.Queue, record.Owner = 0, "", "", ""
		if record.Body, err = json.Marshal(p); err != nil {
			t.Fatal(err)
		}
		if err := journal.Save(t.Context(), &record)[0]; err != nil {
			t.Fatal(err)
		}
	}
	return r.restored(t, journal)
}

// begins is a gateway that starts on a journal as app/restored.go does it.
func (r *rig) begins(t *testing.T, j *memjournal.Journal, older bool, owner string, change ...func(*payments.Options)) *payments.Service {
	t.Helper()
	last, err := storecopy.Use(t.Context(), j, clock.System{}, older)
	if err != nil {
		t.Fatal(err)
	}
	recalled := !last.Unrecalled
	return r.another(t, owner, append([]func(*payments.Options){func(o *payments.Options) {
		o.Journal = j
		o.Restored = func() payments.Restore {
			return payments.Restore{At: last.At, Since: last.Since, Recalled: recalled, Lost: last.Lost}
		}
		o.Recalled = func(ctx context.Context, at time.Time) error { return storecopy.Recalled(ctx, j, clock.System{}, at) }
	}}, change...)...)
}

// eachName has each name of a provider mean an account of its own.
type eachName struct{}

func (eachName) Account(p string) string { return "acct_" + p }

func (eachName) Earlier(string) string { return "" }

func (eachName) Pending(string) bool { return false }

// newAccount has each name mean another account than eachName.
type newAccount struct{}

func (newAccount) Account(p string) string { return "acct_new_" + p }

func (newAccount) Earlier(string) string { return "" }

func (newAccount) Pending(string) bool { return false }
