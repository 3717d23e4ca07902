package stripesim

import (
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// ApprovalPath is the path, before the id of an intent, of the pages that ApprovalPages serves.
const ApprovalPath = "/simulator/approvals/"

//go:embed approval.html
var approvalHTML string

var approvalPage = template.Must(template.New("approval").Parse(approvalHTML))

// ApprovalPages serves the page on which the buyer approves a payment, at ApprovalPath, in place of
// the page of the buyer's bank. A POST with the form field verdict, approve or fail, ends the
// approval, and leads back to the return_url as Stripe does.
func (s *Sim) ApprovalPages() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET "+ApprovalPath+"{intent}", s.showApproval)
	routes.HandleFunc("POST "+ApprovalPath+"{intent}", s.takeVerdict)
	return routes
}

func (s *Sim) showApproval(w http.ResponseWriter, r *http.Request) {
	record, err := s.get(r.Context(), r.PathValue("intent"))
	if err != nil {
		failPage(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = approvalPage.Execute(w, record.Intent) // the client may have gone
}

// Outcome says what became of a payment that does not wait for the buyer.
func (i Intent) Outcome() string {
	switch {
	case i.State.Failure != nil && i.State.Failure.Code == authenticationFailed:
		return "The buyer has failed to approve the payment."
	case i.State.Charge.Paid:
		return "The payment is approved."
	}
	return "The payment does not wait for the buyer."
}

func (s *Sim) takeVerdict(w http.ResponseWriter, r *http.Request) {
	reference, verdict := r.PathValue("intent"), r.PostFormValue("verdict")
	if verdict != "approve" && verdict != "fail" {
		http.Error(w, "verdict must be approve or fail", http.StatusBadRequest)
		return
	}
	record, err := s.get(r.Context(), reference)
	if err == nil {
		err = s.Approve(r.Context(), reference, verdict == "approve")
	}
	if err != nil {
		failPage(w, err)
		return
	}
	http.Redirect(w, r, afterwards(record.Intent, verdict), http.StatusSeeOther)
}

// afterwards returns where the buyer goes after the approval: the return_url, or the page itself
// if there is none.
func afterwards(i Intent, verdict string) string {
	to, err := url.Parse(i.State.ReturnURL)
	if err != nil || i.State.ReturnURL == "" {
		return ApprovalPath + url.PathEscape(i.ID)
	}
	query := to.Query()
	query.Set("payment_intent", i.ID)
	query.Set("payment_intent_client_secret", i.Secret)
	query.Set("redirect_status", map[string]string{"approve": "succeeded", "fail": "failed"}[verdict])
	to.RawQuery = query.Encode()
	return to.String()
}

func failPage(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case fault.Is(err, fault.NotFound):
		status = http.StatusNotFound
	case fault.Is(err, fault.Conflict):
		status = http.StatusConflict
	}
	http.Error(w, fault.From(err).Message, status)
}

const authenticationFailed = "payment_intent_authentication_failure"

// Approve ends the buyer's approval of a payment that needs it: the buyer has approved it, or has
// not. NotFound; Conflict: the payment does not wait for it.
func (s *Sim) Approve(ctx context.Context, reference string, approved bool) error {
	return s.update(ctx, reference, func(r *Record) error {
		if r.Intent.State.Status != payment.RequiresAction {
			return fault.New(fault.Conflict, "unexpected_state", "the payment does not wait for the buyer; it is "+string(r.Intent.State.Status))
		}
		if approved {
			s.charge(r, "", true)
			return nil
		}
		s.decline(r, "", &Failure{
			Type: "invalid_request_error", Code: authenticationFailed,
			Message: "The provided PaymentMethod has failed authentication.",
		})
		return nil
	})
}
