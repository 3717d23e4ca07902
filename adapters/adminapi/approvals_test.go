package adminapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/adminapi"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// buyer is a payment at a mock that waits for the buyer.
type buyer struct{ a adminapi.Approval }

func (b *buyer) Approval(_ context.Context, provider, reference string) (adminapi.Approval, error) {
	if provider != b.a.Provider || reference != b.a.Reference {
		return adminapi.Approval{}, fault.New(fault.NotFound, "", "")
	}
	return b.a, nil
}

func (b *buyer) Approve(_ context.Context, _, _ string, approved bool) error {
	if b.a.Status != payment.RequiresAction {
		return fault.New(fault.Conflict, "unexpected_state", "the payment does not wait for the buyer")
	}
	b.a.Status = map[bool]payment.Status{true: payment.Succeeded, false: payment.RequiresPaymentMethod}[approved]
	return nil
}

const mark = `<script>alert(1)</script>`

func waiting() *buyer {
	return &buyer{adminapi.Approval{
		BookEntry: payment.BookEntry{
			Provider: "mock", Reference: "pi_mock_1", Amount: 1999, Currency: "eur", Status: payment.RequiresAction,
			Metadata: map[string]string{payment.MetaPayment: mark},
		},
		ReturnURL: "javascript:alert(2)",
	}}
}

func TestAPaymentIsApprovedOnItsPage(t *testing.T) {
	t.Parallel()
	path := adminapi.ApprovalPath("mock", "pi_mock_1")
	for verdict, want := range map[string]payment.Status{"approve": payment.Succeeded, "fail": payment.RequiresPaymentMethod} {
		b := waiting()
		r := serve(t, adminapi.Options{Approvals: b})
		page := r.do(t, http.MethodGet, path, "")
		if page.status != 200 || !strings.Contains(page.body, "19.99") || strings.Count(page.body, "<button") != 2 {
			t.Errorf("%s: status = %d, page = %s, want 200, the amount, and two buttons", verdict, page.status, page.body)
		}
		if policy := page.header.Get("Referrer-Policy"); policy != "same-origin" {
			t.Errorf("referrer policy %q, want same-origin: a browser would send the form without its origin", policy)
		}
		sent := r.do(t, http.MethodPost, path, "verdict="+verdict, header{"Origin": r.base, "Sec-Fetch-Site": "same-origin"})
		if sent.status != 303 || sent.header.Get("Location") != path || b.a.Status != want {
			t.Errorf("%s: %d to %q, %s, want %s", verdict, sent.status, sent.header.Get("Location"), b.a.Status, want)
		}
		after := r.do(t, http.MethodGet, path, "")
		if after.status != 200 || !strings.Contains(after.body, string(want)) || strings.Contains(after.body, "<button") {
			t.Errorf("%s: status afterwards = %d, page = %s, want 200, %s, and no button", verdict, after.status, after.body, want)
		}
		for what, text := range map[string]string{"an id": mark, "an address": `href="javascript`} {
			if strings.Contains(page.body+after.body, text) {
				t.Errorf("%s is not escaped in %s %s, want no %q", what, page.body, after.body, text)
			}
		}
		if again := r.do(t, http.MethodPost, path, "verdict=approve"); again.status != 409 {
			t.Errorf("%s, then again: %d %s, want a conflict", verdict, again.status, again.body)
		}
		if action := "action=mock." + verdict; !strings.Contains(r.log.String(), action) {
			t.Errorf("log = %s, want %s in it", r.log.String(), action)
		}
		if outcome := map[string]string{"approve": "Approved:", "fail": "Failed:"}[verdict]; !strings.Contains(after.body, outcome) {
			t.Errorf("page = %s, want %q in it", after.body, outcome)
		}
	}
}

func TestApprovalIsRefusedToOthersThanTheOperator(t *testing.T) {
	t.Parallel()
	b := waiting()
	r := serve(t, adminapi.Options{Approvals: b})
	path := adminapi.ApprovalPath("mock", "pi_mock_1")
	for name, got := range map[string]struct {
		answer
		want int
	}{
		"a stranger sees it":                {r.stranger(t, http.MethodGet, path, ""), 401},
		"a stranger sends the form":         {r.stranger(t, http.MethodPost, path, "verdict=approve"), 401},
		"a page of another origin sends it": {r.do(t, http.MethodPost, path, "verdict=approve", header{"Origin": "http://evil.example"}), 403},
		"a form without a verdict":          {r.do(t, http.MethodPost, path, ""), 400},
		"a form with another verdict":       {r.do(t, http.MethodPost, path, "verdict=maybe"), 400},
		"a payment that does not exist":     {r.do(t, http.MethodGet, adminapi.ApprovalPath("mock", "pi_2"), ""), 404},
		"a provider that does not exist":    {r.do(t, http.MethodGet, adminapi.ApprovalPath("other", "pi_mock_1"), ""), 404},
		"where there is no mock":            {serve(t, adminapi.Options{}).do(t, http.MethodGet, path, ""), 404},
	} {
		if got.status != got.want {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, got.want)
		}
	}
	if b.a.Status != payment.RequiresAction {
		t.Errorf("status of the payment = %s, want %s", b.a.Status, payment.RequiresAction)
	}
}
