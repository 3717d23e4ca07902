package stripesim_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/stripesim"
)

// get asks with a key, and returns the answer's date too.
func get(t *testing.T, s *stripesim.Sim, key, path string) (status int, body string, date time.Time) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if date, err = http.ParseTime(resp.Header.Get("Date")); err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(all), date
}

func TestAnAccountIsKnownByItsKey(t *testing.T) {
	t.Parallel()
	first := stripesim.Start(t, stripesim.Options{Account: "acct_1"})
	second := first.Open(t, stripesim.Options{Account: "acct_2"})
	post(t, first, "k", "/v1/payment_intents", paid)
	post(t, second, "k", "/v1/payment_intents", paid) // the same key is another one there
	if len(first.Book()) != 1 || len(second.Book()) != 1 || first.Book()[0].Reference == second.Book()[0].Reference {
		t.Errorf("books %+v and %+v", first.Book(), second.Book())
	}
	old := first.Key()
	for account, key := range map[string]string{"acct_1": first.Roll(), "acct_2": second.Key()} {
		if status, body, _ := get(t, first, key, "/v1/account"); status != 200 || !strings.Contains(body, `"`+account+`"`) {
			t.Errorf("%s: %d %s", account, status, body)
		}
	}
	if status, body, _ := get(t, first, old, "/v1/account"); status != 401 || strings.Contains(body, old) {
		t.Errorf("a key that was rolled: %d %s", status, body)
	}
	if _, _, replayed := post(t, first, "k", "/v1/payment_intents", paid); !replayed || len(first.Book()) != 1 {
		t.Errorf("a rolled key of the account: replayed %t, %d charges", replayed, len(first.Book()))
	}
	reference := first.Book()[0].Reference
	if status, _, _ := get(t, first, second.Key(), "/v1/payment_intents/"+reference); status != 404 {
		t.Errorf("another account's intent: %d", status)
	}
}

func TestAKeyMayBeTheUserOfBasicAuthorization(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, stripesim.Options{Account: "acct_1"})
	for key, want := range map[string]int{s.Key(): http.StatusOK, "sk_test_other": http.StatusUnauthorized} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/v1/account", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(key, "")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("key %s: status = %d, want %d", key, resp.StatusCode, want)
		}
	}
}

func TestARestrictedKeyMayNotReadItsAccount(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, stripesim.Options{})
	s.Restrict()
	if status, body, _ := get(t, s, s.Key(), "/v1/account"); status != 403 || !strings.Contains(body, "required permissions") {
		t.Errorf("%d %s", status, body)
	}
	if status, body, _ := get(t, s, s.Key(), "/v1/payment_intents"); status != 200 {
		t.Errorf("a list: %d %s", status, body)
	}
}

// All times are of Stripe's clock.
func TestItsClockMayBeOff(t *testing.T) {
	t.Parallel()
	const skew = -17 * time.Minute
	s := stripesim.Start(t, stripesim.Options{Skew: skew})
	post(t, s, "k", "/v1/payment_intents", paid)
	_, _, date := get(t, s, s.Key(), "/v1/payment_intents")
	for what, at := range map[string]time.Time{"the date": date, "the intent": s.Book()[0].CreatedAt} {
		if off := time.Until(at) - skew; off < -10*time.Second || off > 10*time.Second {
			t.Errorf("%s is %s, %s off", what, at, off)
		}
	}
}
