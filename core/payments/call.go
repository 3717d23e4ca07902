package payments

import (
	"context"
	"maps"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// answer is the answer of a provider.
type answer struct {
	intent payment.Intent // without a Reference if nothing is known
	refund payment.ProviderRefund
	err    error
	// looked means that the answer is what the provider holds, not its response to a call.
	// absent means that the answer proves that the operation was never executed.
	looked, absent bool
	use            use // the use of the key under which the refund was found
}

// use is one use of a caller's key, as a provider knows it.
type use struct {
	generation int
	key        string
}

// proves reports whether the answer shows what became of the operation, whatever other
// calls were made under its key: it carries the object that the provider made for it.
func (a answer) proves() bool {
	return a.err == nil || a.looked || fault.Is(a.err, fault.Declined) && fault.From(a.err).Proven
}

// call makes the provider call of an operation.
func (s *Service) call(ctx context.Context, p payment.Payment, op payment.Operation) answer {
	g, err := s.asked(op)
	if err != nil {
		return answer{err: err}
	}
	ctx, cancel := context.WithTimeout(ports.WithTenant(ctx, p.Tenant), callDeadline)
	defer cancel()
	if made := op.Request.Made; made != nil {
		return s.adopt(ctx, g, op, made.Reference)
	}
	var a answer
	switch r := s.change(&p, &op).(type) {
	case payment.CreateRequest:
		a.intent, a.err = g.Create(ctx, r)
	case payment.ConfirmRequest:
		a.intent, a.err = g.Confirm(ctx, r)
	case payment.CaptureRequest:
		a.intent, a.err = g.Capture(ctx, r)
	case payment.CancelRequest:
		a.intent, a.err = g.Cancel(ctx, r)
	case payment.RefundRequest:
		if before, ok := s.refundedBefore(ctx, g, p, op); ok {
			return before
		}
		a.refund, a.err = g.Refund(ctx, r)
	}
	return s.explain(ctx, g, op, a)
}

// adopt reads an intent that exists already. It changes nothing at the provider.
func (s *Service) adopt(ctx context.Context, g ports.PaymentGateway, op payment.Operation, reference string) answer {
	i, err := g.Retrieve(ctx, reference)
	if err != nil {
		return answer{err: fault.Wrap(fault.Unavailable, "payments.adopt", err)}
	}
	return declinedIn(answer{intent: i, looked: true}, op)
}

// asked returns the provider of an operation. Unavailable: it is not configured, or its
// account is still pending. UnknownOutcome with code account_changed: its name now means
// another account, which knows nothing of the operation.
func (s *Service) asked(op payment.Operation) (ports.PaymentGateway, error) {
	g, ok := s.gateway(op.Provider)
	if !ok {
		return nil, fault.New(fault.Unavailable, "provider_not_configured", "the provider of this payment is not configured")
	}
	switch now := s.account(op.Provider); {
	case op.Account == "" || now == op.Account:
	case now != "":
		return nil, errAccount
	case s.Accounts != nil && s.Accounts.Pending(op.Provider):
		return nil, fault.New(fault.Unavailable, "account_pending", "the provider's account is being asked for")
	}
	return g, nil
}

const codeAccount = "account_changed"

var errAccount = fault.New(fault.UnknownOutcome, codeAccount, "the provider's name means another account than the one that was asked")

// explain reads the payment if the provider refused the operation because of the payment's
// state: the provider knows something that the store does not.
func (s *Service) explain(ctx context.Context, g ports.PaymentGateway, op payment.Operation, a answer) answer {
	if !fault.Is(a.err, fault.Conflict) || op.Request.Reference == "" {
		return a
	}
	intent, err := g.Retrieve(ctx, op.Request.Reference)
	if err == nil {
		a.intent = intent
	}
	return a
}

// compose returns the request body of an operation, as its adapter composes it.
func (s *Service) compose(p *payment.Payment, op *payment.Operation) (string, error) {
	g, ok := s.gateway(op.Provider)
	if !ok {
		return "", nil // call returns the error
	}
	return g.Compose(s.change(p, op))
}

// change returns the request of an operation to its provider.
func (s *Service) change(p *payment.Payment, op *payment.Operation) payment.Change {
	r := op.Request
	switch op.Action {
	case payment.Capture:
		return payment.CaptureRequest{Key: op.ProviderKey, Body: op.Body, Reference: r.Reference, Amount: op.Amount, Currency: p.Currency}
	case payment.Cancel:
		return payment.CancelRequest{Key: op.ProviderKey, Body: op.Body, Reference: r.Reference}
	case payment.Refund:
		return payment.RefundRequest{
			Key: op.ProviderKey, Body: op.Body, Reference: r.Reference, Amount: op.Amount, Currency: p.Currency,
			Metadata: map[string]string{payment.MetaPayment: p.ID, payment.MetaOperation: op.ProviderKey},
		}
	case payment.Create, payment.Confirm:
	}
	if r.Reference != "" {
		return payment.ConfirmRequest{
			Key: op.ProviderKey, Body: op.Body, Reference: r.Reference, PaymentMethod: r.PaymentMethod, ReturnURL: r.ReturnURL,
		}
	}
	return creation(p, op)
}

// ourMetadata is how many keys creation adds at most to the caller's metadata.
const ourMetadata = 4

// creation returns the request that makes the payment's intent. Its metadata allows an
// intent that is found later to be matched to its payment.
func creation(p *payment.Payment, op *payment.Operation) payment.CreateRequest {
	metadata := make(map[string]string, len(p.Metadata)+ourMetadata)
	maps.Copy(metadata, p.Metadata)
	metadata[payment.MetaPayment], metadata[payment.MetaOperation] = p.ID, op.ProviderKey
	metadata[payment.MetaTenant] = p.Tenant
	if ourUser(p.CustomerID) {
		metadata[payment.MetaUser] = p.CustomerID
	}
	return payment.CreateRequest{
		Key: op.ProviderKey, Body: op.Body, Amount: p.Amount, Currency: p.Currency, Customer: op.Request.Customer,
		PaymentMethod: op.Request.PaymentMethod, Description: p.Description, ReturnURL: op.Request.ReturnURL,
		Confirm: op.Request.Confirm, CaptureMethod: p.CaptureMethod, Confirmation: p.Confirmation, Metadata: metadata,
	}
}
