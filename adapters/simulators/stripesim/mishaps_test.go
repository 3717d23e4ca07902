package stripesim_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/fault"
)

// sends makes a payment with a method, and returns the status of the response, or 0 if there is none.
func sends(t *testing.T, client *http.Client, base string, s *stripesim.Sim, key, method string) (status int, body string, header http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	form := create + "&confirm=true&payment_method=" + method
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/payment_intents", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key())
	req.Header.Set("Idempotency-Key", key)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Header
}

// Faults are the same over a socket and within the process.
func TestAPaymentMethodCausesAFault(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (*stripesim.Sim, *http.Client, string){
		"over a socket": func(t *testing.T) (*stripesim.Sim, *http.Client, string) {
			s := stripesim.Start(t, stripesim.Options{})
			return s, http.DefaultClient, s.URL()
		},
		"within the process": func(*testing.T) (*stripesim.Sim, *http.Client, string) {
			s := stripesim.New(stripesim.Options{})
			return s, &http.Client{Transport: stripesim.Transport{Sim: s}}, "http://stripe.invalid"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for method, want := range map[string]struct {
				first, again int
				done         bool
			}{
				"pm_mock_refused":              {0, 0, false},
				"pm_mock_429":                  {429, 429, false},
				"pm_mock_401":                  {401, 401, false},
				"pm_mock_403":                  {403, 403, false},
				"pm_mock_timeout_before":       {0, 200, true},
				"pm_mock_timeout_after_commit": {0, 200, true},
				"pm_mock_500_committed":        {500, 500, true},
				"pm_mock_reset":                {0, 200, true},
				"pm_mock_malformed":            {200, 200, true},
				"pm_mock_hang":                 {0, 200, true},
			} {
				s, client, base := open(t)
				first, body, header := sends(t, client, base, s, "k", method)
				if first != want.first || method == "pm_mock_malformed" && strings.HasSuffix(body, "}") || first == 429 && header.Get("Retry-After") != "1" {
					t.Errorf("%s: %d %s, want %d", method, first, body, want.first)
				}
				if again, body, _ := sends(t, client, base, s, "k", method); again != want.again {
					t.Errorf("%s, repeated: %d %s, want %d", method, again, body, want.again)
				}
				if book := s.Book(); (len(book) == 1 && book[0].Captured == 2000) != want.done {
					t.Errorf("%s: book %+v, done %t", method, book, want.done)
				}
			}
		})
	}
}

func TestEventsComeTwiceOrBackwards(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{
		"pm_mock_duplicate_webhook": "payment_intent.created payment_intent.created payment_intent.succeeded payment_intent.succeeded",
		"pm_mock_reordered_webhook": "payment_intent.succeeded payment_intent.created",
	} {
		s := stripesim.New(stripesim.Options{})
		sends(t, &http.Client{Transport: stripesim.Transport{Sim: s}}, "http://stripe.invalid", s, "k", method)
		var told []string
		for _, e := range s.Events() {
			told = append(told, e.Type)
		}
		if got := strings.Join(told, " "); got != want {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
	}
}

// downBook is a Book whose store is down.
type downBook struct {
	stripesim.Book
	err error
}

func (b downBook) ByKey(context.Context, string) (*stripesim.Record, error) { return nil, b.err }

func (b downBook) Save(context.Context, *stripesim.Record) error { return b.err }

// Only what proves that nothing was written looks as if the request had not arrived.
func TestABookThatFails(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Unavailable, fault.UnknownOutcome, fault.Internal} {
		s := stripesim.New(stripesim.Options{Book: downBook{err: fault.New(kind, "down", "the store is down")}})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://stripe.invalid/v1/payment_intents", strings.NewReader(paid))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.Key())
		req.Header.Set("Idempotency-Key", "k")
		resp, err := stripesim.Transport{Sim: s}.RoundTrip(req)
		if resp != nil || fault.KindOf(err) != kind {
			t.Errorf("%v: %v, %v", kind, resp, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stripe.invalid/v1/account", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (stripesim.Transport{Sim: stripesim.New(stripesim.Options{})}).RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was given up: %v", err)
	}
}

// What people may ask for is what the payment methods cause, whatever the method of the payment is.
func TestAFaultThatWasAskedForIsThatOfAPaymentMethod(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		first, again int
		done         bool
		events       int
	}{
		"429":                  {429, 200, true, 2},
		"timeout_before":       {0, 200, true, 2},
		"timeout_after_commit": {0, 200, true, 2},
		"500_committed":        {500, 500, true, 2},
		"duplicate_webhook":    {200, 200, true, 4},
	} {
		s, faults := stripesim.New(stripesim.Options{}), new(faultserver.Faults)
		faults.Inject(s.FaultsByName()[name])
		server := httptest.NewServer(faults.Before(s))
		t.Cleanup(server.Close)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		first, _, _ := sends(t, client, server.URL, s, "k", "pm_card_visa")
		again, _, _ := sends(t, client, server.URL, s, "k", "pm_card_visa")
		if first != want.first || again != want.again {
			t.Errorf("%s: %d, then %d, want %d, then %d", name, first, again, want.first, want.again)
		}
		if book := s.Book(); (len(book) == 1 && book[0].Captured == 2000) != want.done || len(s.Events()) != want.events {
			t.Errorf("%s: book %+v, %d events, want done %t, %d events", name, book, len(s.Events()), want.done, want.events)
		}
	}
	if got, want := slices.Sorted(maps.Keys(stripesim.New(stripesim.Options{}).FaultsByName())), stripesim.Faults(); !slices.Equal(got, want) {
		t.Errorf("faults = %v, want %v", got, want)
	}
}
