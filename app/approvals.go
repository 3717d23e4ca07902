package app

import (
	"context"

	"patchbay/adapters/adminapi"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/fault"
)

// approval returns the address of the page on which a buyer approves a payment at a mock, or ""
// before the admin listener is open.
func (s environment) approval(provider, reference string) string {
	if admin := s.admin.Load(); admin != nil {
		return *admin + adminapi.ApprovalPath(provider, reference)
	}
	return ""
}

// Approval implements adminapi.Approvals.
func (a accounts) Approval(ctx context.Context, provider, reference string) (adminapi.Approval, error) {
	m, err := a.mock(provider)
	if err != nil {
		return adminapi.Approval{}, err
	}
	entry, returnURL, err := m.Awaiting(ctx, reference)
	return adminapi.Approval{BookEntry: entry, ReturnURL: returnURL}, err
}

// Approve implements adminapi.Approvals.
func (a accounts) Approve(ctx context.Context, provider, reference string, approved bool) error {
	m, err := a.mock(provider)
	if err != nil {
		return err
	}
	return m.Approve(ctx, reference, approved)
}

// mock returns the mock of a name. NotFound.
func (a accounts) mock(provider string) (*mockpay.Gateway, error) {
	for _, g := range a {
		if m, ok := g.(*mockpay.Gateway); ok && m.Name() == provider {
			return m, nil
		}
	}
	return nil, fault.New(fault.NotFound, "", "there is no such mock payment provider")
}
