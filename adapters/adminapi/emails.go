package adminapi

import (
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/email"
	"patchbay/core/emails"
)

// EmailSet names emails of a tenant: see emails.RetrySet. A call looks at some of them; Cursor is the Next of
// the call before.
type EmailSet struct {
	Tenant   string    `json:"tenant"`
	Status   string    `json:"status"`
	Since    time.Time `json:"since,omitzero"`
	Before   time.Time `json:"before,omitzero"`
	Provider string    `json:"provider,omitempty"`
	Code     string    `json:"code,omitempty"`
	Cursor   string    `json:"cursor,omitempty"`
}

func (e EmailSet) describe(a *act) {
	a.addObject("tenant", e.Tenant)
	a.addObject("status", e.Status)
}

// RetriedEmails says what became of an EmailSet. Next is empty if there are no more.
type RetriedEmails struct {
	Retried int    `json:"retried"`
	Skipped int    `json:"skipped"`
	Next    string `json:"next,omitempty"`
}

func (r RetriedEmails) describe(a *act) { a.addObject("count", strconv.Itoa(r.Retried)) }

// RetryEmails has emails sent again.
var RetryEmails = Endpoint[EmailSet, RetriedEmails]{
	route{method: fiber.MethodPost, path: "/admin/emails/retry", action: "email.retry", status: fiber.StatusOK, wrong: "the body does not say which emails are meant"},
	func(ctx context.Context, s *Service, e EmailSet) (RetriedEmails, error) {
		set := emails.RetrySet{Status: email.Status(e.Status), Since: e.Since, Before: e.Before, Provider: e.Provider, Code: e.Code}
		done, err := s.Emails.RetryAll(ctx, e.Tenant, set, e.Cursor, emails.MaxRetried)
		return RetriedEmails{Retried: done.Retried, Skipped: done.Skipped, Next: done.Next}, err
	},
}
