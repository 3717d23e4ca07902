package stripepay_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

func TestTheAccountIsReadOnce(t *testing.T) {
	t.Parallel()
	sim := stripesim.Start(t, stripesim.Options{Account: "acct_1Shop"})
	sim.Inject(faultserver.Fault{Mishap: stripesim.ServerError()})
	g := open(t, sim)
	if id, err := g.Account(t.Context()); id != "" || !fault.Is(err, fault.UnknownOutcome) {
		t.Errorf("while Stripe fails: %q, %v", id, err)
	}
	for range 3 {
		if id, err := g.Account(t.Context()); err != nil || id != "acct_1Shop" {
			t.Errorf("%q, %v", id, err)
		}
	}
	if n := len(sim.Requests()); n != 2 {
		t.Errorf("%d requests, want one that failed and one that did not", n)
	}
}

func TestAKeyThatMayNotReadItsAccount(t *testing.T) {
	t.Parallel()
	sim := stripesim.Start(t, stripesim.Options{Account: "acct_1Shop"})
	sim.Restrict()
	if id, err := open(t, sim).Account(t.Context()); id != "" || err == nil {
		t.Errorf("%q, %v", id, err)
	}
	asked := len(sim.Requests())
	g, err := stripepay.New(stripepay.Options{
		Name: "stripe", SecretKey: sim.Key(), Account: "acct_1Shop", HTTP: httpclient.Options{BaseURL: sim.URL()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := g.Account(t.Context()); err != nil || id != "acct_1Shop" || len(sim.Requests()) != asked {
		t.Errorf("as configured: %q, %v, %d requests", id, err, len(sim.Requests())-asked)
	}
}

func TestInvalidAccountIsUnreadable(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"acct_", "acct_a b", "pi_1", "acct_1/..", "ACCT_1"} {
		if _, err := stripepay.New(stripepay.Options{Name: "stripe", SecretKey: "sk", Account: id}); !fault.Is(err, fault.Invalid) {
			t.Errorf("configured as %q: %v", id, err)
		}
		g := served(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"object":"account","id":"`+id+`"}`)
		})
		if got, err := g.Account(t.Context()); got != "" || !fault.Is(err, fault.UnknownOutcome) {
			t.Errorf("answered %q: %q, %v", id, got, err)
		}
	}
}

// The window of a list is the caller's, the time that of Stripe.
func TestListReturnsStripesTime(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"ahead": 20 * time.Minute, "behind": -20 * time.Minute} {
		sim := stripesim.Start(t, stripesim.Options{Skew: skew})
		g := open(t, sim)
		made, err := g.Create(t.Context(), payment.CreateRequest{Key: "k", Amount: 100, Currency: "usd"})
		if err != nil {
			t.Fatal(err)
		}
		page, err := g.List(t.Context(), payment.ListRequest{Limit: 1})
		if err != nil || len(page.Intents) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		for what, at := range map[string]time.Time{"it is": page.Now, "it was made": made.CreatedAt} {
			if off := time.Until(at) - skew; off > time.Minute || off < -time.Minute {
				t.Errorf("%s: %s %s, %s off", name, what, at, off)
			}
		}
	}
	g := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		_, _ = io.WriteString(w, `{"object":"list","url":"/v1/payment_intents","has_more":false,"data":[]}`)
	})
	if page, err := g.List(t.Context(), payment.ListRequest{Limit: 1}); err != nil || !page.Now.IsZero() {
		t.Errorf("without a date: %+v, %v", page, err)
	}
}

func TestAListWithoutEndsAsksForNone(t *testing.T) {
	t.Parallel()
	var queries []string
	g := served(t, func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		_, _ = io.WriteString(w, `{"object":"list","url":"/v1/payment_intents","has_more":false,"data":[]}`)
	})
	from := time.Unix(1700000000, 0)
	for _, r := range []payment.ListRequest{{Limit: 1}, {Limit: 1, From: from}, {Limit: 1, To: from}} {
		if _, err := g.List(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(queries[0], "created") || strings.Contains(queries[1], "lte") || strings.Contains(queries[2], "gte") {
		t.Error(queries)
	}
}
