package adminapi

import (
	"context"
	_ "embed"
	"html/template"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// Approvals are the payments at mock providers that the buyer must approve. An error is NotFound
// for a provider or a payment that there is not.
type Approvals interface {
	// Approval returns a payment as it stands.
	Approval(ctx context.Context, provider, reference string) (Approval, error)
	// Approve ends the approval of a payment: the buyer has approved it, or has not. Conflict: the
	// payment does not wait for it.
	Approve(ctx context.Context, provider, reference string, approved bool) error
}

// Approval is a payment that may wait for the buyer.
type Approval struct {
	payment.BookEntry
	ReturnURL string // where the buyer goes afterwards, or empty
}

// Amount returns the amount as people write it.
func (a Approval) Amount() string { return money.Format(a.BookEntry.Amount, a.Currency) }

// Waits reports whether the payment waits for the buyer.
func (a Approval) Waits() bool { return a.Status == payment.RequiresAction }

// Outcome says how a payment stands that does not wait for the buyer.
func (a Approval) Outcome() string {
	switch a.Status {
	case payment.Succeeded, payment.RequiresCapture, payment.Processing:
		return "Approved: nothing more is asked of the buyer."
	case payment.RequiresPaymentMethod:
		return "Failed: the payment needs another attempt to pay."
	case payment.Canceled:
		return "The payment is canceled."
	case payment.RequiresConfirmation, payment.RequiresAction:
	}
	return "The payment does not wait for the buyer."
}

// Payment returns the gateway's id of the payment, or empty.
func (a Approval) Payment() string { return a.Metadata[payment.MetaPayment] }

// ApprovalPath returns the path of the page on which a payment is approved.
func ApprovalPath(provider, reference string) string {
	return "/mock/payments/" + url.PathEscape(provider) + "/" + url.PathEscape(reference)
}

//go:embed approval.html
var approvalHTML string

var approvalPage = template.Must(template.Must(templates.Clone()).Parse(approvalHTML))

func (c *Server) approvalRoutes() {
	const path = "/mock/payments/:provider/:reference"
	c.app.Get(path, c.showApproval)
	c.handle(route{method: fiber.MethodPost, path: path, action: "mock.approve"}, c.approve)
}

// showApproval shows the page with the payment. The page's own form is sent with its origin, by
// which the guard knows it, so the referrer policy must not hide it.
func (c *Server) showApproval(f *fiber.Ctx) error {
	if c.Approvals == nil {
		return fiber.NewError(fiber.StatusNotFound, "no mock payment provider is configured")
	}
	a, err := c.Approvals.Approval(context.Background(), f.Params("provider"), f.Params("reference"))
	if err != nil {
		return err
	}
	f.Set(fiber.HeaderReferrerPolicy, "same-origin")
	f.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return approvalPage.ExecuteTemplate(f, "approval", a)
}

// approve answers the page's form, and shows the page again.
func (c *Server) approve(f *fiber.Ctx, a *act) error {
	if c.Approvals == nil {
		return fiber.NewError(fiber.StatusNotFound, "no mock payment provider is configured")
	}
	provider, reference := f.Params("provider"), f.Params("reference")
	a.addObject("provider", provider)
	a.addObject("intent", reference)
	verdict, err := verdictOf(f)
	if err != nil {
		return err
	}
	a.addObject("verdict", verdict)
	a.name = "mock." + verdict
	if err := c.Approvals.Approve(context.Background(), provider, reference, verdict == "approve"); err != nil {
		return err
	}
	return f.Redirect(ApprovalPath(provider, reference), fiber.StatusSeeOther)
}

// verdictOf reads the form: verdict is approve or fail.
func verdictOf(f *fiber.Ctx) (string, error) {
	raw, err := readBody(f)
	if err != nil {
		return "", err
	}
	form, err := url.ParseQuery(string(raw))
	if verdict := form.Get("verdict"); err == nil && (verdict == "approve" || verdict == "fail") {
		return verdict, nil
	}
	return "", fiber.NewError(fiber.StatusBadRequest, "verdict must be approve or fail")
}
