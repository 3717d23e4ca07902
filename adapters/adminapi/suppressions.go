package adminapi

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/suppression"
	"patchbay/core/suppressions"
)

// SuppressionRequest names an address of a tenant. Reason and Note may be empty.
type SuppressionRequest struct {
	Tenant string `json:"tenant"`
	Email  string `json:"email"`
	Reason string `json:"reason,omitempty"`
	Note   string `json:"note,omitempty"`
}

func (r SuppressionRequest) describe(a *act) {
	a.addObject("tenant", r.Tenant) // never the email address
	a.addObject("reason", r.Reason)
}

// TenantRequest names a tenant.
type TenantRequest struct {
	Tenant string `json:"tenant"`
}

func (r TenantRequest) describe(a *act) { a.addObject("tenant", r.Tenant) }

// SuppressionView is one reason why an address is suppressed. Email is empty once it was erased.
type SuppressionView struct {
	ID     string    `json:"id"`
	Email  string    `json:"email,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Note   string    `json:"note,omitempty"`
}

// SuppressionLine is one line of the list of suppressions. The last line is Done or has an Error;
// without such a line the list is not complete.
type SuppressionLine struct {
	Suppression *SuppressionView `json:"suppression,omitempty"`
	Done        bool             `json:"done,omitempty"`
	Error       string           `json:"error,omitempty"`
}

func (l SuppressionLine) failure() string { return l.Error }
func (l SuppressionLine) last() bool      { return l.Done }

// suppressionViews returns a view of each reason that counts, the strongest first.
func suppressionViews(v suppression.Suppression) (all []SuppressionView) {
	for _, e := range v.Counting() {
		all = append(all, SuppressionView{ID: v.ID, Email: v.Email, Reason: string(e.Reason), At: e.At, Note: e.Source.Note})
	}
	return all
}

const wrongAddress = "the body does not say which address is meant"

// ListSuppressions lists the suppressed addresses of a tenant. It is a POST, as what names a person is:
// a URL may be logged.
var ListSuppressions = Stream[TenantRequest, SuppressionLine]{
	route{method: fiber.MethodPost, path: "/admin/suppressions/list", action: "suppression.list", wrong: "the body does not name a tenant"},
	func(ctx context.Context, s *Service, r TenantRequest, send func(SuppressionLine) error) (SuppressionLine, error) {
		err := s.Suppressions.Walk(ctx, r.Tenant, func(v suppression.Suppression) error {
			for _, one := range suppressionViews(v) {
				if err := send(SuppressionLine{Suppression: &one}); err != nil {
					return err
				}
			}
			return nil
		})
		return SuppressionLine{Done: true}, err
	},
}

// AddSuppression suppresses an address.
var AddSuppression = Endpoint[SuppressionRequest, []SuppressionView]{
	route{method: fiber.MethodPost, path: "/admin/suppressions", action: "suppression.add", status: fiber.StatusOK, wrong: wrongAddress},
	func(ctx context.Context, s *Service, r SuppressionRequest) ([]SuppressionView, error) {
		v, err := s.Suppressions.Add(ctx, r.Tenant, suppressions.Addition{Email: r.Email, Reason: suppression.Reason(r.Reason), Note: r.Note})
		return suppressionViews(v), err
	},
}

// RemovedSuppression says what was removed and what stays, each in its own list.
type RemovedSuppression struct {
	Removed []SuppressionView `json:"removed"`
	Left    []SuppressionView `json:"left,omitempty"`
}

// RemoveSuppression lets an address get mail again: for one reason, or for all.
var RemoveSuppression = Endpoint[SuppressionRequest, RemovedSuppression]{
	route{method: fiber.MethodPost, path: "/admin/suppressions/remove", action: "suppression.remove", status: fiber.StatusOK, wrong: wrongAddress},
	func(ctx context.Context, s *Service, r SuppressionRequest) (out RemovedSuppression, err error) {
		var reasons []suppression.Reason
		if r.Reason != "" {
			reason, err := suppressions.ParseReason(r.Reason)
			if err != nil {
				return out, err
			}
			reasons = append(reasons, reason)
		}
		id := s.Suppressions.IDOf(r.Tenant, r.Email)
		before, err := s.Suppressions.Get(ctx, r.Tenant, id)
		if err != nil {
			return out, err
		}
		if err := s.Suppressions.Remove(ctx, r.Tenant, id, reasons...); err != nil {
			return out, err
		}
		for _, v := range suppressionViews(before) {
			if r.Reason == "" || v.Reason == r.Reason {
				out.Removed = append(out.Removed, v)
			} else {
				out.Left = append(out.Left, v)
			}
		}
		return out, nil
	},
}
