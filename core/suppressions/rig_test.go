package suppressions_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/suppression"
	"patchbay/core/suppressions"
	"patchbay/tests/memjournal"
)

const tenant = "default"

// rig is a Service on a journal in memory, on virtual time.
type rig struct {
	*suppressions.Service
	journal *memjournal.Journal

	mu      sync.Mutex
	calls   map[string]int // of the journal, by memjournal's names
	fail    map[string]fault.Kind
	counted []suppression.Reason
}

func within(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newRig()) })
}

func newRig() *rig {
	r := &rig{journal: memjournal.New(clock.System{}), calls: map[string]int{}, fail: map[string]fault.Kind{}}
	r.journal.Fail = func(op string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls[op]++
		if kind, ok := r.fail[op]; ok {
			return fault.New(kind, "scripted", "")
		}
		return nil
	}
	r.Service = r.with("a secret for hashes", "a secret for links")
	return r
}

// with is a Service with other secrets on the same journal.
func (r *rig) with(hash, link string) *suppressions.Service {
	return suppressions.New(suppressions.Options{
		Journal: r.journal, Clock: clock.System{}, IDs: ids.UUIDs{}, HashSecret: []byte(hash), LinkSecret: []byte(link),
		PublicURL: "https://mail.example.com/", ASCIIAddress: rfc5322.Composed, Decomposed: rfc5322.Decomposed,
		Counted: func(reason suppression.Reason) { r.counted = append(r.counted, reason) },
	})
}

// earlier is a Service of an earlier version on the same journal, which took a letter with an accent for
// another one if it was decomposed.
func (r *rig) earlier() *suppressions.Service {
	s := *r.Service
	s.ASCIIAddress, s.Decomposed = rfc5322.ASCII, nil
	return &s
}

func (r *rig) failing(op string, kind fault.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail[op] = kind; kind == 0 {
		delete(r.fail, op)
	}
}

func (r *rig) add(t *testing.T, address string, reason suppression.Reason) suppression.Suppression {
	t.Helper()
	v, err := r.Add(t.Context(), tenant, suppressions.Addition{Email: address, Reason: reason})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// learn tells of an event at a time from now.
func (r *rig) learn(t *testing.T, address string, reason suppression.Reason, in time.Duration) {
	t.Helper()
	n := email.Notification{At: time.Now().Add(in)}
	if err := r.Learn(t.Context(), tenant, address, n, reason, suppression.Source{Provider: "first", Message: "msg_1", Code: "5.1.1"}); err != nil {
		t.Fatal(err)
	}
}

// stopped returns why mail of a category to an address of the tenant is stopped.
func (r *rig) stopped(t *testing.T, c email.Category, address string) suppression.Reason {
	t.Helper()
	reasons, err := r.Suppressed(t.Context(), tenant, c, []string{address})
	if err != nil {
		t.Fatal(err)
	}
	return reasons[address]
}

// feed returns the events of the tenant's feed: their types, and what they say.
func (r *rig) feed(t *testing.T) (all []string) {
	t.Helper()
	events, err := r.journal.Feed(t.Context(), tenant, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if strings.Contains(string(e.Data), "@") {
			t.Errorf("the feed has an address: %s", e.Data)
		}
		all = append(all, e.Type+" "+string(e.Data))
	}
	return all
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("error = %v, want kind %v", err, want)
	}
}
