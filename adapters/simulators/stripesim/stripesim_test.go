package stripesim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/simulators/notify"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
)

const paid = create + "&payment_method=pm_card_visa&confirm=true"

// post makes a request under a key, and says whether the answer was a replay.
func post(t *testing.T, s *stripesim.Sim, key, path, form string) (status int, body string, replayed bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Header.Get("Idempotent-Replayed") == "true"
}

func TestAKeyGetsItsFirstAnswerAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, form string
		prepare    func(s *stripesim.Sim)
		status     int
		charges    int
	}{
		{"a success", paid, nil, 200, 1},
		{"a decline", create + "&payment_method=pm_card_chargeDeclined&confirm=true", nil, 402, 0},
		{"a 500 after all was done", paid, func(s *stripesim.Sim) { s.FailAfterCommit(payment.Create) }, 500, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := stripesim.Start(t, stripesim.Options{})
			if c.prepare != nil {
				c.prepare(s)
			}
			status, first, replayed := post(t, s, "k", "/v1/payment_intents", c.form)
			if status != c.status || replayed {
				t.Errorf("%d %s, replayed %t", status, first, replayed)
			}
			again, second, replayed := post(t, s, "k", "/v1/payment_intents", c.form)
			if again != status || second != first || !replayed {
				t.Errorf("again: %d %s, replayed %t", again, second, replayed)
			}
			if book := s.Book(); len(book) != 1 || min(book[0].Captured, 1) != int64(c.charges) {
				t.Errorf("book %+v", book)
			}
		})
	}
}

func TestAKeyIsBoundToItsRequest(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, stripesim.Options{})
	if status, body, _ := post(t, s, "k", "/v1/payment_intents", "currency=usd"); status != 400 {
		t.Fatalf("%d %s", status, body)
	}
	if status, body, replayed := post(t, s, "k", "/v1/payment_intents", paid); status != 200 || replayed {
		t.Fatalf("what failed validation used the key up: %d %s", status, body)
	}
	for path, form := range map[string]string{"/v1/payment_intents": create, "/v1/refunds": "payment_intent=pi_1"} {
		if status, body, _ := post(t, s, "k", path, form); status != 400 || !strings.Contains(body, `"idempotency_error"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestFiftyAtOnceUnderOneKeyAreOneCharge(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, stripesim.Options{})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if status, body, _ := post(t, s, "k", "/v1/payment_intents", paid); status != 200 && status != 409 {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	all.Wait()
	if book := s.Book(); len(book) != 1 {
		t.Errorf("book %+v", book)
	}
}

func TestWebhooksAreSignedAndSentUntilTaken(t *testing.T) {
	t.Parallel()
	const secret = "whsec_test"
	s := stripesim.Start(t, stripesim.Options{})
	var mu sync.Mutex
	var got []string
	done := make(chan struct{})
	refused := false
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e, err := webhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), secret)
		if err != nil {
			t.Errorf("%v: %s", err, body)
		}
		mu.Lock()
		defer mu.Unlock()
		if !refused {
			refused = true
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if got = append(got, string(e.Type)); len(got) == 2 {
			close(done)
		}
	}))
	t.Cleanup(hook.Close)
	s.Notify(hook.URL, secret)
	post(t, s, "k", "/v1/payment_intents", paid)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("they never came")
	}
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(got) != "[payment_intent.created payment_intent.succeeded]" {
		t.Errorf("%v", got)
	}
}

// What a partial capture releases is a refund of Stripe's own.
func TestAPartialCaptureReleasesTheRest(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, stripesim.Options{})
	post(t, s, "k", "/v1/payment_intents", paid+"&capture_method=manual")
	path := "/v1/payment_intents/" + s.Book()[0].Reference + "/capture"
	status, body, _ := post(t, s, "c", path, "amount_to_capture=600&expand[0]=latest_charge")
	if status != 200 || !strings.Contains(body, `"amount_refunded":1400`) || !strings.Contains(body, `"amount_received":600`) {
		t.Errorf("%d %s", status, body)
	}
	if e := s.Book()[0]; e.Captured != 600 || e.Refunded != 0 || e.Refunds != 0 {
		t.Errorf("%+v", e)
	}
}

// A receiver that refuses one type of event.
func TestARefusedEventDoesNotKeepOthersFromBeingSent(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, stripesim.Options{})
	accepted := make(chan string, 16)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct{ Type string }
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || e.Type == "payment_intent.created" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		accepted <- e.Type
	}))
	t.Cleanup(hook.Close)
	refused := make(chan string, 16)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.NotifyEach(ctx, hook.URL, "whsec_1", func(e notify.Event, status int, _ error) { refused <- fmt.Sprint(e.Type, " ", status) })
	}()
	post(t, s, "k", "/v1/payment_intents", paid)
	if got := <-refused; got != "payment_intent.created 400" {
		t.Errorf("refused %q, want payment_intent.created 400", got)
	}
	if got := <-accepted; got == "payment_intent.created" {
		t.Errorf("accepted %q, want a later event", got)
	}
	stop()
	<-done
}

func TestABodyThatIsTooLongIsRefused(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, stripesim.Options{})
	status, body, _ := post(t, s, "k", "/v1/payment_intents", paid+"&description="+strings.Repeat("x", 1<<20))
	if status != http.StatusBadRequest {
		t.Errorf("answer = %d %s, want 400", status, body)
	}
}
