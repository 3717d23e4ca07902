package stripesim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
)

// waiting makes a payment that waits for the buyer, and returns its id, the path of its page and
// the pages' server, which follows no redirect.
func waiting(t *testing.T, s *stripesim.Sim, returnURL string) (id, path string, pages func(method, path, form string) *http.Response) {
	t.Helper()
	form := "amount=2000&currency=usd&confirm=true&payment_method=pm_card_authenticationRequired&payment_method_types[]=card"
	if returnURL != "" {
		form += "&return_url=" + url.QueryEscape(returnURL)
	}
	_, body, _ := post(t, s, "k", "/v1/payment_intents", form)
	var intent struct {
		ID   string
		Next struct {
			Redirect struct{ URL string } `json:"redirect_to_url"`
		} `json:"next_action"`
	}
	if err := json.Unmarshal([]byte(body), &intent); err != nil {
		t.Fatal(err)
	}
	if want := "http://sim" + stripesim.ApprovalPath + intent.ID; returnURL != "" && intent.Next.Redirect.URL != want {
		t.Errorf("next_action leads to %q, want %q", intent.Next.Redirect.URL, want)
	}
	handler := s.ApprovalPages()
	return intent.ID, stripesim.ApprovalPath + intent.ID, func(method, path, form string) *http.Response {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Result()
	}
}

func approvals() stripesim.Options {
	return stripesim.Options{Approval: func(reference string) string { return "http://sim" + stripesim.ApprovalPath + reference }}
}

func TestAVerdictEndsTheApprovalAndLeadsBackToTheShop(t *testing.T) {
	t.Parallel()
	for verdict, want := range map[string]struct {
		status   payment.Status
		redirect string
	}{"approve": {payment.Succeeded, "succeeded"}, "fail": {payment.RequiresPaymentMethod, "failed"}} {
		t.Run(verdict, func(t *testing.T) {
			t.Parallel()
			s := stripesim.Start(t, approvals())
			id, path, do := waiting(t, s, "https://shop.example/done?order=17")
			answer := do(http.MethodPost, path, "verdict="+verdict)
			if answer.StatusCode != http.StatusSeeOther {
				t.Fatalf("status = %d, want 303", answer.StatusCode)
			}
			to, err := url.Parse(answer.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if got := to.Host + to.Path; got != "shop.example/done" {
				t.Errorf("the buyer goes to %q, want shop.example/done", got)
			}
			for name, value := range map[string]string{"order": "17", "payment_intent": id, "redirect_status": want.redirect} {
				if got := to.Query().Get(name); got != value {
					t.Errorf("%s = %q, want %q", name, got, value)
				}
			}
			if got := s.Book()[0].Status; got != want.status {
				t.Errorf("payment is %q, want %q", got, want.status)
			}
		})
	}
}

func TestThePageSaysWhatBecameOfAPaymentWithoutReturnURL(t *testing.T) {
	t.Parallel()
	for verdict, want := range map[string]string{"approve": "The payment is approved.", "fail": "The buyer has failed to approve the payment."} {
		t.Run(verdict, func(t *testing.T) {
			t.Parallel()
			_, path, do := waiting(t, stripesim.Start(t, approvals()), "")
			if page := text(t, do(http.MethodGet, path, "")); strings.Count(page, "<button") != 2 {
				t.Errorf("the page has not two buttons before the verdict: %s", page)
			}
			if got := do(http.MethodPost, path, "verdict="+verdict).Header.Get("Location"); got != path {
				t.Errorf("the buyer goes to %q, want %q", got, path)
			}
			if page := text(t, do(http.MethodGet, path, "")); !strings.Contains(page, want) {
				t.Errorf("the page has no %q: %s", want, page)
			}
		})
	}
}

func text(t *testing.T, answer *http.Response) string {
	t.Helper()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestAVerdictThatIsRefused(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, approvals())
	_, path, do := waiting(t, s, "")
	for name, c := range map[string]struct {
		path, form string
		want       int
	}{
		"no verdict":        {path, "", http.StatusBadRequest},
		"another verdict":   {path, "verdict=maybe", http.StatusBadRequest},
		"an unknown intent": {stripesim.ApprovalPath + "pi_unknown", "verdict=approve", http.StatusNotFound},
	} {
		if got := do(http.MethodPost, c.path, c.form).StatusCode; got != c.want {
			t.Errorf("%s: status = %d, want %d", name, got, c.want)
		}
	}
	if got := s.Book()[0].Status; got != payment.RequiresAction {
		t.Errorf("payment is %q, want %q", got, payment.RequiresAction)
	}
	do(http.MethodPost, path, "verdict=approve")
	if got := do(http.MethodPost, path, "verdict=fail").StatusCode; got != http.StatusConflict {
		t.Errorf("second verdict: status = %d, want %d", got, http.StatusConflict)
	}
}
