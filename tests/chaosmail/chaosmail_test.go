// Package chaosmail_test sends mail through providers that fail at random at every stage, while the
// gateway is killed again and again, and then compares three accounts of it: what was accepted, what
// the providers did, and what the gateway tells.
package chaosmail_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// The extent of a run, unless PATCHBAY_CHAOS_MAILS and PATCHBAY_CHAOS_MAIL_KILLS say otherwise.
const (
	fewMails = 300
	fewKills = 3
)

// numberOf returns a number from the environment, or a default.
func numberOf(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// seedOf is PATCHBAY_CHAOS_SEED, or one that no other run has.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := numberOf(t, "PATCHBAY_CHAOS_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	return seed
}

// TestMailUnderChaos checks that every accepted mail reached a provider or ends in a state that says
// why not, that there are second copies only under at_least_once, and only of what may not have been
// sent, and that everybody got what was for them.
func TestMailUnderChaos(t *testing.T) {
	t.Parallel()
	count, kills := numberOf(t, "PATCHBAY_CHAOS_MAILS", fewMails), numberOf(t, "PATCHBAY_CHAOS_MAIL_KILLS", fewKills)
	w := newWorld(t, seedOf(t), int(count))
	w.run(t, int(kills), settling)
	v := judge(w.collect(t))
	v.report(t)
	for _, line := range w.summary(v) {
		t.Attr("count", line)
	}
}

// run makes all requests while the providers fail, and kills the gateway so often: three times of four
// while requests come in, and then while the rest is sent.
// It waits at most so long until everything has ended.
func (w *world) run(t *testing.T, kills int, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	w.Restart(t)
	faulty, healed := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { w.outages(faulty) })
	var load sync.WaitGroup
	load.Go(func() { w.load(ctx) })
	r := rand.New(rand.NewPCG(w.seed, hash(w.seed, "kills")))
	total := w.keys()
	during := (3*kills + 3) / 4
	for i := range during {
		target := (i*total + r.IntN(total)) / (during + 1)
		gateway.Eventually(t, runLimit, fmt.Sprintf("%d of %d requests are accepted", target, total), func() bool {
			return w.answered() >= target || w.refusals() > 0
		})
		w.kill(t)
	}
	load.Wait()
	if w.refusals() > 0 {
		t.Fatalf("got %d answers that no repeat changes, want 0, such as %s", w.refusals(), w.wrong[0])
	}
	for range kills - during {
		w.awaitProgress(t, r)
		w.kill(t)
	}
	healed()
	all.Wait()
	w.settle(t, limit)
}

// runLimit bounds the time in which mail is accepted.
const runLimit = 8 * time.Minute

// keys counts the requests, not counting repeats.
func (w *world) keys() int {
	seen := map[string]bool{}
	for _, m := range w.mails {
		seen[m.key()] = true
	}
	return len(seen)
}

// awaitProgress waits until some more mail is sent, or for a moment if none is.
func (w *world) awaitProgress(t *testing.T, r *rand.Rand) {
	t.Helper()
	target, began := w.delivered()+1+r.IntN(20), time.Now()
	gateway.Eventually(t, time.Minute, "mail is sent, or waits", func() bool {
		return w.delivered() >= target || time.Since(began) > time.Second
	})
}

// summary tells what happened, in several lines.
func (w *world) summary(v *verdict) []string {
	ways, batches, recipients := map[way]int{}, map[int]bool{}, 0
	for _, m := range w.mails {
		ways[m.way]++
		if m.way == batch {
			batches[m.batch] = true
		}
		recipients += len(m.everybody())
	}
	second := v.counts["second copies: "+atLeastOnce]
	all := []string{
		fmt.Sprintf("seed %d: %d mails accepted, %d of them in %d batches and %d by SMTP, for %d recipients; %d kills, %d outages",
			w.seed, len(w.mails)-len(v.problems[unaccepted]), ways[batch], len(batches), ways[smtpIn], recipients,
			v.count(killed), v.count(slices.Collect(maps.Keys(w.providers))...)),
		fmt.Sprintf("second copies: %d under %s, each after an ambiguous send; %d under %s", second, atLeastOnce, len(v.problems[doubled]), atMostOnce),
		"recipients by delivery and state: " + lines(v.counts, "states"),
		"recipients who failed for another's address in their call, or for the sender's: " + lines(v.counts, "beside"),
		"attempts by outcome: " + lines(v.counts, "attempts"),
		"messages executed by provider: " + lines(v.counts, "copies"),
	}
	return append(all, w.book.lines()...)
}
