package checkout

import (
	"context"
	"maps"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// answer is what came back from a provider.
type answer struct {
	intent payment.Intent // no Reference where nothing is known
	refund payment.ProviderRefund
	err    error
}

// run calls the provider for an operation that is durable. The work outlives
// the caller, who learns at the time by which there must be an answer how far it is.
func (s *Service) run(ctx context.Context, by time.Time, st stored, id string) (Result, error) {
	early := Result{Payment: st.payment, Operation: *st.payment.Operation(id)}
	if !early.Operation.Outcome.Open() {
		return early, nil
	}
	st.payment.Operations = slices.Clone(st.payment.Operations)
	type end struct {
		result Result
		err    error
	}
	done := make(chan end, 1)
	work := context.WithoutCancel(ctx)
	s.calls.Go(func() {
		result, err := s.execute(work, st, id)
		done <- end{result, err}
	})
	late := time.NewTimer(by.Sub(s.Clock.Now()))
	defer late.Stop()
	select {
	case e := <-done:
		return e.result, e.err
	case <-late.C:
		return early, nil
	}
}

// execute calls the provider and makes its answer durable; where it is proved
// that nothing was done, the next provider, and so on until the deadline.
func (s *Service) execute(ctx context.Context, st stored, id string) (Result, error) {
	working, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	for {
		a := s.call(working, st.payment, *st.payment.Operation(id))
		next, err := s.conclude(ctx, &st, id, a, working.Err() == nil)
		op := *st.payment.Operation(id)
		switch {
		case err != nil:
			// The provider has answered, and nobody can be told so for sure. The
			// lease runs out, and the resolver asks again under the same key.
			s.Log.Error("checkout: outcome not saved", "payment", st.payment.ID, "operation", id, "error", err)
			op.Outcome, st.payment.Status = payment.Unknown, payment.Processing
			return Result{Payment: st.payment, Operation: op}, nil
		case next != "":
			s.Log.Warn("checkout: next provider", "payment", st.payment.ID, "after", op.Provider, "kind", op.Kind, "provider", st.payment.Provider)
			id = next
			continue
		case op.Outcome.Open():
			s.worker.Nudge()
		}
		return Result{Payment: st.payment, Operation: op}, failure(op)
	}
}

// conclude makes an answer durable, and with it the operation that is to be
// called next, if there is one.
func (s *Service) conclude(ctx context.Context, st *stored, id string, a answer, inTime bool) (next string, err error) {
	saving, cancel := context.WithTimeout(ctx, lease-callDeadline)
	defer cancel()
	err = s.updateBy(saving, ports.Insist, st, func(st *stored) error {
		p := &st.payment
		if p.Operation(next) != nil { // it was saved, and only the answer lost
			return nil
		}
		next = ""
		apply(p, p.Operation(id), a)
		op := *p.Operation(id)
		switch {
		case op.Outcome.Open():
			st.record.Owner, st.record.Due = "", s.Clock.Now() // the resolver's, at once
		case inTime && s.moveOn(p, op, a.err):
			next = p.Operations[len(p.Operations)-1].ID
			st.record.Queue, st.record.Owner, st.record.Due = queueName, s.Owner, s.Clock.Now().Add(lease)
		}
		return nil
	})
	return next, err
}

// call asks the provider for what the operation wants.
func (s *Service) call(ctx context.Context, p payment.Payment, op payment.Operation) answer {
	g, ok := s.gateway(op.Provider)
	if !ok {
		return answer{err: fault.New(fault.Unavailable, "provider_not_configured",
			"the provider of this payment is not configured")}
	}
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	var a answer
	switch r := op.Request; op.Action {
	case payment.Create:
		a.intent, a.err = g.Create(ctx, creation(p, op))
	case payment.Confirm:
		if r.Reference == "" {
			a.intent, a.err = g.Create(ctx, creation(p, op))
			break
		}
		a.intent, a.err = g.Confirm(ctx, payment.ConfirmRequest{
			Key: op.ProviderKey, Reference: r.Reference, PaymentMethod: r.PaymentMethod, ReturnURL: r.ReturnURL,
		})
	case payment.Capture:
		a.intent, a.err = g.Capture(ctx, payment.CaptureRequest{Key: op.ProviderKey, Reference: r.Reference, Amount: op.Amount, Currency: p.Currency})
	case payment.Cancel:
		a.intent, a.err = g.Cancel(ctx, payment.CancelRequest{Key: op.ProviderKey, Reference: r.Reference})
	case payment.Refund:
		a.refund, a.err = g.Refund(ctx, payment.RefundRequest{
			Key: op.ProviderKey, Reference: r.Reference, Amount: op.Amount, Currency: p.Currency,
			Metadata: map[string]string{payment.MetaPayment: p.ID, payment.MetaOperation: op.ProviderKey},
		})
	}
	return s.explain(ctx, g, op, a)
}

// explain looks up the payment where the provider says that its state forbids
// the operation: it knows something that we do not.
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

// creation is the request that makes the payment's intent. Its metadata lets
// an intent that is found later be matched.
func creation(p payment.Payment, op payment.Operation) payment.CreateRequest {
	metadata := make(map[string]string, len(p.Metadata)+4)
	maps.Copy(metadata, p.Metadata)
	metadata[payment.MetaPayment], metadata[payment.MetaOperation] = p.ID, op.ProviderKey
	metadata[payment.MetaTenant] = p.Tenant
	if ourUser(p.CustomerID) {
		metadata[payment.MetaUser] = p.CustomerID
	}
	return payment.CreateRequest{
		Key: op.ProviderKey, Amount: p.Amount, Currency: p.Currency, Customer: op.Request.Customer,
		PaymentMethod: op.Request.PaymentMethod, Description: p.Description, ReturnURL: op.Request.ReturnURL,
		Confirm: op.Request.Confirm, CaptureMethod: p.CaptureMethod, Confirmation: p.Confirmation, Metadata: metadata,
	}
}
