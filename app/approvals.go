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
func (m mocks) Approval(ctx context.Context, provider, reference string) (adminapi.Approval, error) {
	mock, err := m.find(provider)
	if err != nil {
		return adminapi.Approval{}, err
	}
	entry, returnURL, err := mock.Awaiting(ctx, reference)
	return adminapi.Approval{BookEntry: entry, ReturnURL: returnURL}, err
}

// Approve implements adminapi.Approvals.
func (m mocks) Approve(ctx context.Context, provider, reference string, approved bool) error {
	mock, err := m.find(provider)
	if err != nil {
		return err
	}
	return mock.Approve(ctx, reference, approved)
}

// find returns the mock of a name. NotFound.
func (m mocks) find(provider string) (*mockpay.Gateway, error) {
	for _, mock := range m {
		if mock.Name() == provider {
			return mock, nil
		}
	}
	return nil, fault.New(fault.NotFound, "", "there is no such mock payment provider")
}
