package app

import (
	"context"
	"time"

	"patchbay/adapters/metrics"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/emails"
	"patchbay/core/payments"
	"patchbay/core/webhooks"
	"patchbay/ports"
)

// countLimit is the highest count for each queue and for each gauge of open records.
const countLimit = 10_000

// openSets maps the name of each gauge to the sets of open records that it counts.
var openSets = map[string][]ports.Set{
	"payments_unknown": payments.UnknownSets(), "payments_review": payments.ReviewSets(),
	"emails_unknown": emails.UnknownSets(), "emails_again": emails.AgainSets(),
	"webhooks_parked": webhooks.ParkedSets(), "webhooks_set_aside": webhooks.AsideSets(),
}

// showBacklog registers the counts of unfinished records in the store with the metrics.
func showBacklog(u useCases, simulated mocks, store Storage, s environment) {
	s.metrics.Backlog(func(ctx context.Context) (metrics.Backlog, error) {
		queues := append(append(u.Payments.Queues(), u.Emails.Queues()...), u.Webhooks.Queues()...)
		if len(simulated) > 0 {
			queues = append(queues, mockpay.WebhookQueue)
		}
		return countBacklog(ctx, store.Journal, queues, s.clock.Now())
	})
}

// countBacklog counts all sets with one query to the store.
func countBacklog(ctx context.Context, waiting ports.Queue, queues []string, now time.Time) (metrics.Backlog, error) {
	b := metrics.Backlog{Queues: map[string]metrics.Count{}, Open: map[string]metrics.Count{}}
	var sets []ports.Set
	var into []func(ports.Count)
	add := func(set ports.Set, to map[string]metrics.Count, name string) {
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
		add(ports.Set{Queue: q}, b.Queues, q)
	}
	for name, all := range openSets {
		for _, set := range all {
			add(set, b.Open, name)
		}
	}
	counts, err := waiting.Count(ctx, countLimit, sets...)
	if err != nil {
		return metrics.Backlog{}, err
	}
	for i, c := range counts {
		into[i](c)
	}
	return b, nil
}
