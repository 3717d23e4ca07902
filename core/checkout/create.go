package checkout

import (
	"context"
	"maps"
	"strings"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/ports"
)

// Create makes a payment at the first provider that will have it, and confirms
// it if asked.
//
// Two durable commits: the payment with its operation, claimed by this process,
// before the provider is called; the outcome after. Each further provider takes
// one more. A repeat under the same key is answered from the payment itself.
//
// Invalid; Declined; Conflict with idem.CodeMismatch, idem.CodeInFlight or code
// payment_erased;
// Unavailable: no money moved, and the same key tries again.
func (s *Service) Create(ctx context.Context, tenant string, r CreateRequest, key idem.Key) (Result, error) {
	by := s.Clock.Now().Add(answerWithin)
	if err := s.check(r); err != nil {
		return Result{}, err
	}
	if len(s.Gateways) == 0 {
		return Result{}, fault.New(fault.Unavailable, "no_payment_provider", "no payment provider is configured")
	}
	st, err := s.draft(tenant, r, key)
	if err != nil {
		return Result{}, err
	}
	err = s.insert(ctx, &st)
	switch {
	case err == nil:
		return s.run(ctx, by, st, st.payment.Operations[len(st.payment.Operations)-1].ID)
	case fault.Is(err, fault.Conflict) && !key.Empty():
		return s.repeatCreate(ctx, by, key)
	}
	return Result{}, err
}

func (s *Service) check(r CreateRequest) error {
	if err := money.Check(r.Amount, r.Currency, s.Currencies); err != nil {
		return err
	}
	return payment.Fields{
		CustomerID: r.CustomerID, Description: r.Description, ReturnURL: r.ReturnURL,
		CaptureMethod: r.CaptureMethod, Confirmation: r.Confirmation, Confirm: r.Confirm, Metadata: r.Metadata,
		PaymentMethod: r.PaymentMethod, PaymentMethods: r.PaymentMethods, Customers: r.Customers,
	}.Check()
}

// draft is a payment that is claimed by this process and about to be created at
// the provider.
func (s *Service) draft(tenant string, r CreateRequest, key idem.Key) (stored, error) {
	now := s.Clock.Now()
	if r.CaptureMethod == "" {
		r.CaptureMethod = payment.CaptureAutomatic
	}
	switch {
	case r.Confirmation != "":
	case r.Confirm:
		r.Confirmation = payment.ConfirmServer
	default:
		r.Confirmation = payment.ConfirmClient
	}
	p := payment.Payment{
		ID: s.IDs.New("pay"), Tenant: tenant, Amount: r.Amount, Currency: r.Currency,
		Status: payment.Processing, CustomerID: r.CustomerID, Description: r.Description,
		ReturnURL: r.ReturnURL, CaptureMethod: r.CaptureMethod, Confirmation: r.Confirmation,
		Metadata: maps.Clone(r.Metadata), CreatedAt: now,
	}
	request := payment.Request{
		PaymentMethods: maps.Clone(r.PaymentMethods), Customers: maps.Clone(r.Customers), Confirm: r.Confirm, ReturnURL: r.ReturnURL,
	}
	first := s.Gateways[0].Name()
	prefer(&request.PaymentMethods, first, r.PaymentMethod)
	if !ourUser(r.CustomerID) {
		prefer(&request.Customers, first, r.CustomerID)
	}
	if err := s.place(&p, payment.Create, key, request); err != nil {
		return stored{}, err
	}
	return stored{payment: p, record: ports.Record{
		Idem: key.Scoped, Queue: queueName, Owner: s.Owner, Due: now.Add(lease),
	}}, nil
}

// begin adds an operation that is about to be called. What was tried before at
// this provider, for the same request of the caller, has its key: should the
// proof that nothing was done ever be wrong, the provider knows the key.
func (s *Service) begin(p *payment.Payment, a payment.Action, amount int64, key idem.Key, r payment.Request) {
	op := payment.Operation{
		ID: s.IDs.New("op"), Action: a, Provider: p.Provider, Amount: amount, Outcome: payment.Calling,
		Request: r, Key: key.Scoped, Fingerprint: key.Fingerprint, StartedAt: s.Clock.Now(),
	}
	op.ProviderKey = op.ID
	for _, before := range p.Operations {
		if key.Scoped != "" && before.Key == key.Scoped && before.Provider == op.Provider {
			op.ProviderKey = before.ProviderKey
		}
	}
	p.Operations = append(p.Operations, op)
}

// repeatCreate answers a create whose key is taken.
func (s *Service) repeatCreate(ctx context.Context, by time.Time, key idem.Key) (Result, error) {
	st, err := s.byKey(ctx, key)
	if err != nil {
		return Result{}, err
	}
	return s.repeat(ctx, by, st, key)
}

func ourUser(customer string) bool { return strings.HasPrefix(customer, "usr_") }
