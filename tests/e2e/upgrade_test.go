package e2e_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// old is a request that was made to an earlier version.
type old struct {
	Path   string `json:"path"`
	Key    string `json:"key"`
	Body   object `json:"body"`
	Status int    `json:"status"`
	ID     string `json:"id"`     // of what was answered
	Answer string `json:"answer"` // all of it, where it is known
}

// upgraded is a gateway on a store that an earlier version has left: see
// testdata/upgrade/README.md.
func upgraded(t *testing.T, version string) (g *gateway.Gateway, asked []old, made time.Time) {
	t.Helper()
	read := func(name string) []byte {
		raw, err := os.ReadFile(filepath.Join("testdata", "upgrade", version, name))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	g = gateway.New(t)
	g.OwnClock(t)
	if err := json.Unmarshal(read("asked.json"), &asked); err != nil {
		t.Fatal(err)
	}
	made, err := time.Parse(time.RFC3339, strings.TrimSpace(string(read("made"))))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open(filepath.Join("testdata", "upgrade", version, "patchbay.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpack, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	store, err := io.ReadAll(unpack)
	if err == nil {
		err = os.Mkdir(g.Data(""), 0o700)
	}
	if err == nil {
		err = os.WriteFile(g.Data("patchbay.db"), store, 0o600)
	}
	if err == nil {
		err = os.WriteFile(g.Data("installation.json"), read("installation.json"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g, asked, made
}

// taken returns the number of charges of each order, and how much of it was refunded.
func taken(t *testing.T, g *gateway.Gateway) (charges map[string]int, refunded map[string]int64) {
	t.Helper()
	charges, refunded = map[string]int{}, map[string]int64{}
	for _, entries := range g.Charges(t) {
		for _, c := range entries {
			if c.Captured > 0 || c.Status == "requires_capture" {
				charges[c.Metadata["order"]]++
			}
			refunded[c.Metadata["order"]] += c.Refunded
		}
	}
	return charges, refunded
}

// TestAStoreOfThePreviousVersion checks that idempotency keys first used with the previous version
// still stand for the same requests, and that operations in progress come to their end, soon after
// the upgrade and days later.
func TestAStoreOfThePreviousVersion(t *testing.T) {
	isUpgraded(t, "previous", map[string]time.Duration{
		"at once": 5 * time.Minute, "a day later": 24 * time.Hour, "just before keys are given up": 71 * time.Hour,
	})
}

// TestAStoreOfAnEarlierVersion and TestAStoreOfTheEarliestVersion check the same for older versions.
func TestAStoreOfAnEarlierVersion(t *testing.T) {
	isUpgraded(t, "earlier", map[string]time.Duration{"a day later": 24 * time.Hour})
}

func TestAStoreOfTheEarliestVersion(t *testing.T) {
	isUpgraded(t, "earliest", map[string]time.Duration{"just before keys are given up": 71 * time.Hour})
}

func isUpgraded(t *testing.T, version string, opened map[string]time.Duration) {
	t.Helper()
	t.Parallel()
	for name, later := range opened {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, asked, made := upgraded(t, version)
			g.SetClock(t, time.Until(made.Add(later)))
			g.Restart(t)
			gateway.Eventually(t, 90*time.Second, "payments are made", func() bool { // a copy is held for a minute
				return g.Metric(t, "patchbay_payments_held") == "0"
			})
			for _, r := range asked {
				r.again(t, g)
			}
			open := asked[slices.IndexFunc(asked, func(r old) bool { return r.Key == "open" })]
			settled(t, g, open.ID, "succeeded")
			returning := asked[slices.IndexFunc(asked, func(r old) bool { return r.Key == "returning" })]
			gateway.Eventually(t, 20*time.Second, "the refund under way is known", func() bool {
				return g.Do(t, "GET", "/api/payments/"+returning.ID, nil).Number("amountRefunded") == 300
			})
			for _, r := range asked {
				r.again(t, g)
			}
			charges, refunded := taken(t, g)
			for order, want := range map[string]int{
				"paid": 1, "declined": 0, "action": 0, "lost": 1, "broken": 1, "unavailable": 0, "held": 1, "canceled": 0, "unconfirmed": 1,
				"waiting": 1, "returning": 1, "open": 1,
			} {
				if charges[order] != want {
					t.Errorf("%s was charged %d times, want %d", order, charges[order], want)
				}
			}
			if refunded["paid"] != 500 || refunded["returning"] != 300 {
				t.Errorf("refunded: got %v, want paid 500, returning 300", refunded)
			}
			for _, sent := range []string{">Welcome<", ">Once<"} { // by the version before
				if page := string(g.Ask(t, "/catcher").Body); strings.Contains(page, sent) {
					t.Errorf("got a second copy of %s, want none: %s", sent, page)
				}
			}
			other := asked[0].Body
			other["amount"] = 2000
			g.Do(t, "POST", asked[0].Path, other, gateway.Key(asked[0].Key)).HasStatus(t, 422, "another body")
			if waiting := g.Do(t, "GET", "/api/payments?status=requires_capture", nil).Data(); len(waiting) != 1 {
				t.Errorf("%d payments wait for their capture, want 1 waiting", len(waiting))
			} else if id, _ := waiting[0]["id"].(string); g.Do(t, "POST", "/api/payments/"+id+"/capture", object{}).Text("status") != "succeeded" {
				t.Errorf("%s is not captured, want succeeded", id)
			}
		})
	}
}

// again repeats a request. An operation that was in progress gets its present answer.
func (r old) again(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	var a gateway.Answer
	gateway.Eventually(t, 20*time.Second, r.Key+" is answered", func() bool { // a copy of a store is an older one
		a = g.Do(t, "POST", r.Path, r.Body, gateway.Key(r.Key))
		return a.Code() != "restored_store"
	})
	status := r.Status
	if status == 202 && !strings.HasPrefix(r.Path, "/api/emails") && a.Status == 201 {
		status = 201
	}
	if a.Status != status || a.Text("id") != r.ID || status < 500 && a.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s %s: %d %s, replayed %q; want %d %s, replayed", r.Path, r.Key, a.Status, a.Body, a.Header.Get("Idempotency-Replayed"), r.Status, r.ID)
	}
	if got, want := toThePublic(string(a.Body)), toThePublic(r.Answer); r.ended() && want != "" && got != want {
		t.Errorf("%s %s was answered\n%s\nand is\n%s", r.Path, r.Key, want, got)
	}
}

// ended reports whether the answer is about an operation that has ended, and therefore final.
func (r *old) ended() bool {
	return strings.HasPrefix(r.Path, "/api/payments") && r.Status < 300 && r.Status != 202
}

var clientSecret = regexp.MustCompile(`,"(clientSecret|publishableKey)":"[^"]*"`)

// toThePublic returns an answer without the fields that a payment loses once it is final.
func toThePublic(answer string) string { return clientSecret.ReplaceAllString(answer, "") }
