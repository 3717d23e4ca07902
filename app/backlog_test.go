package app

import (
	"fmt"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/payments"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// Of what is counted under several flags the gauges show the sum, and the oldest of all.
func TestBacklogSumsRecordsOfSeveralSets(t *testing.T) {
	t.Parallel()
	journal, now := memjournal.New(clock.System{}), time.Now()
	flagged := func(set ports.Set, age time.Duration) {
		r := &ports.Record{Tenant: "shop", Kind: set.Kind, ID: fmt.Sprint(set, age), Body: []byte("{}"), Index: ports.Index{Flag: set.Flag, Flagged: now.Add(-age)}}
		if err := journal.Save(t.Context(), r)[0]; err != nil {
			t.Fatal(err)
		}
	}
	for _, set := range payments.UnknownSets() { // alone, and with a review
		flagged(set, time.Minute)
		flagged(set, time.Hour)
	}
	waits := &ports.Record{Kind: "job", ID: "1", Body: []byte("{}"), Queue: "mail", Due: now.Add(-time.Minute)}
	later := &ports.Record{Kind: "job", ID: "2", Body: []byte("{}"), Queue: "payments", Due: now.Add(time.Minute)}
	for _, err := range journal.Save(t.Context(), waits, later) {
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := countBacklog(t.Context(), journal, []string{"mail", "payments", "webhooks"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]string{
		"payments_unknown": "4 1h0m0s", "payments_review": "2 1h0m0s", "emails_unknown": "0 0s", "emails_again": "0 0s",
		"webhooks_parked": "0 0s", "webhooks_set_aside": "0 0s",
	} {
		if c, there := b.Open[what]; !there || fmt.Sprint(c.N, " ", c.Oldest.Round(time.Second)) != want {
			t.Errorf("%s: %+v, want %s", what, c, want)
		}
	}
	for queue, want := range map[string]string{"mail": "1 1m0s", "payments": "1 0s", "webhooks": "0 0s"} {
		if c, there := b.Queues[queue]; !there || fmt.Sprint(c.N, " ", c.Oldest.Round(time.Second)) != want {
			t.Errorf("%s: %+v, want %s", queue, c, want)
		}
	}
}
