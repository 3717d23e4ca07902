package app

import (
	"context"
	"time"

	"patchbay/adapters/metrics"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/checkout"
	"patchbay/core/inbox"
	"patchbay/core/mailroom"
	"patchbay/ports"
)

// countLimit is how far each queue, and each sort of what is open, is counted.
const countLimit = 10_000

// opens are what is open in the store, by the name of its gauge.
var opens = map[string][]ports.Set{
	"payments_unknown": checkout.UnknownSets(), "payments_review": checkout.ReviewSets(),
	"emails_unknown": mailroom.UnknownSets(), "emails_again": mailroom.AgainSets(),
	"webhooks_parked": inbox.ParkedSets(), "webhooks_set_aside": inbox.AsideSets(),
}

// showBacklog puts what the store holds that is not done into the metrics.
func showBacklog(u services, mock mockWorker, store Storage, s surroundings) {
	s.metrics.Backlog(func(ctx context.Context) (metrics.Backlog, error) {
		queues := append(append(u.Checkout.Queues(), u.Mailroom.Queues()...), u.Inbox.Queues()...)
		if mock.Worker != nil {
			queues = append(queues, mockpay.WebhookQueue)
		}
		return countBacklog(ctx, store.Journal, queues, s.clock.Now())
	})
}

// countBacklog asks the store once for all.
func countBacklog(ctx context.Context, journal ports.Journal, queues []string, now time.Time) (metrics.Backlog, error) {
	b := metrics.Backlog{Queues: map[string]metrics.Count{}, Open: map[string]metrics.Count{}}
	var sets []ports.Set
	var into []func(ports.Count)
	ask := func(set ports.Set, to map[string]metrics.Count, name string) {
		sets = append(sets, set)
		into = append(into, func(c ports.Count) {
			sum := to[name]
			sum.N += c.N
			if !c.First.IsZero() {
				sum.Oldest = max(sum.Oldest, now.Sub(c.First))
			}
			to[name] = sum
		})
	}
	for _, q := range queues {
		ask(ports.Set{Queue: q}, b.Queues, q)
	}
	for name, all := range opens {
		for _, set := range all {
			ask(set, b.Open, name)
		}
	}
	counts, err := journal.Count(ctx, countLimit, sets...)
	if err != nil {
		return metrics.Backlog{}, err
	}
	for i, c := range counts {
		into[i](c)
	}
	return b, nil
}
