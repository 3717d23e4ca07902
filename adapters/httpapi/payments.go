package httpapi

import (
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

// scopePay is the scope to make payments and refunds.
const scopePay = "payments:write"

func (s *Server) createPayment(r *request, in api.PaymentIntentRequest, key idempotency.Key) (any, error) {
	result, err := s.Payments.Create(r.ctx, r.caller.Tenant, payments.CreateRequest{
		Amount: in.Amount, Currency: money.Currency(in.Currency), CustomerID: in.CustomerId, Metadata: in.Metadata,
		PaymentMethod: in.PaymentMethod, PaymentMethods: in.PaymentMethods, Customers: in.Customers, Confirm: in.Confirm,
		CaptureMethod: payment.CaptureMethod(in.CaptureMethod), Confirmation: payment.Confirmation(in.Confirmation),
		ReturnURL: in.ReturnUrl, Description: in.Description, ExpiresAt: in.ExpiresAt,
	}, key)
	return r.paid(fiber.StatusCreated, result, err)
}

func (s *Server) confirmPayment(r *request, in api.ConfirmRequest, key idempotency.Key) (any, error) {
	result, err := s.Payments.Confirm(r.ctx, r.caller.Tenant, r.id,
		payments.ConfirmRequest{PaymentMethod: in.PaymentMethod, ReturnURL: in.ReturnUrl}, key)
	return r.paid(fiber.StatusOK, result, err)
}

func (s *Server) capturePayment(r *request, in api.AmountRequest, key idempotency.Key) (any, error) {
	amount, err := amountOf(in)
	if err != nil {
		return nil, err
	}
	result, err := s.Payments.Capture(r.ctx, r.caller.Tenant, r.id, amount, key)
	return r.paid(fiber.StatusOK, result, err)
}

func (s *Server) cancelPayment(r *request, _ struct{}, key idempotency.Key) (any, error) {
	result, err := s.Payments.Cancel(r.ctx, r.caller.Tenant, r.id, key)
	r.logAction("payment.cancel", "payment", err)
	return r.paid(fiber.StatusOK, result, err)
}

func (s *Server) refundPayment(r *request, in api.AmountRequest, key idempotency.Key) (any, error) {
	amount, err := amountOf(in)
	if err != nil {
		return nil, err
	}
	result, err := s.Payments.Refund(r.ctx, r.caller.Tenant, r.id, amount, key)
	return refundView(result.Payment, result.Operation), r.finish(fiber.StatusCreated, result, err)
}

// amountOf returns the amount of a capture or refund. It returns 0, which means the full
// amount, only if no amount is given.
func amountOf(in api.AmountRequest) (int64, error) {
	if in.Amount == nil {
		return 0, nil
	}
	if *in.Amount <= 0 {
		return 0, fault.InvalidParam("amount", "amount_not_positive", "amount must be a positive number of minor units")
	}
	return *in.Amount, nil
}

// paid answers an operation with its payment.
func (r *request) paid(done int, result payments.Result, err error) (any, error) {
	return r.paymentView(result.Payment), r.finish(done, result, err)
}

// finish sets the status and headers of the answer to an operation: 202 while the outcome
// is open, and done otherwise. It returns err, with the payment if that is stored.
func (r *request) finish(done int, result payments.Result, err error) error {
	r.setReplayed(result.Replayed)
	r.Status(done)
	if result.Operation.Outcome.Open() {
		r.Status(fiber.StatusAccepted)
	}
	if err != nil && result.Payment.ID != "" {
		return &paymentError{err, result.Payment.ID}
	}
	return err
}

func (s *Server) getPayment(r *request) (any, error) {
	p, err := s.Payments.Get(r.ctx, r.caller.Tenant, r.id)
	return r.paymentView(p), err
}

func (s *Server) listPayments(r *request, cursor string, limit int) (any, error) {
	status := payment.Status(r.Query("status"))
	if status != "" && !status.Known() {
		return nil, unknownStatus(payment.Statuses())
	}
	page, err := s.Payments.List(r.ctx, r.caller.Tenant, payments.Filter{
		Reference: r.Query("reference"), CustomerID: r.Query("customerId"), Status: status,
	}, cursor, limit)
	return api.PaymentPage{Data: views(page.Payments, r.paymentView), NextCursor: page.Next}, err
}

func (s *Server) syncPayment(r *request, _ struct{}, _ idempotency.Key) (any, error) {
	p, err := s.Payments.Sync(r.ctx, r.caller.Tenant, r.id)
	r.logAction("payment.sync", "payment", err)
	return r.paymentView(p), err
}

// resolvePayment accepts a person's verdict. It needs no idempotency key, because repeating
// the same verdict changes nothing.
func (s *Server) resolvePayment(r *request, in api.Resolution, _ idempotency.Key) (any, error) {
	p, err := s.Payments.Settle(r.ctx, r.caller.Tenant, r.id, payments.SettleRequest{
		Verdict: payments.Verdict(in.Verdict), Reference: in.Reference, Note: in.Note, By: r.caller.KeyID,
	})
	r.logAction("payment.resolve", "payment", err)
	return r.paymentView(p), err
}

// paymentView returns the caller's view of a payment. A caller without scopePay does not
// see the values with which somebody could continue a payment in the buyer's place.
func (r *request) paymentView(p payment.Payment) api.Payment {
	if !r.caller.Allows(scopePay) {
		p.Conceal()
	}
	out := api.Payment{
		Id: p.ID, Amount: p.Amount, Currency: string(p.Currency), Status: string(p.Status), CustomerId: p.CustomerID,
		Metadata: p.Metadata, Description: p.Description, CaptureMethod: string(p.CaptureMethod),
		Confirmation: string(p.Confirmation), ReturnUrl: p.ReturnURL,
		Provider: p.Provider, ProviderReference: p.ProviderReference, ClientSecret: p.ClientSecret,
		PublishableKey: p.PublishableKey, AmountCapturable: p.AmountCapturable, AmountCaptured: p.AmountCaptured,
		AmountRefunded: p.AmountRefunded, Error: failureView(p.Error), NeedsReview: p.NeedsReview,
		Account: payment.AccountID(p.Account), ExpiresAt: p.ExpiresAt, NextLookAt: p.NextLookAt,
		Reviews: views(p.Reviews, reviewView), Refunds: refundViews(p), Disputes: views(p.Disputes, disputeView),
		Attempts: views(p.Operations, attemptView), CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, ErasedAt: p.ErasedAt,
	}
	if n := p.NextAction; n != nil {
		out.NextAction = api.NextAction{Type: n.Type, Url: n.URL}
	}
	return out
}

func attemptView(op payment.Operation) api.Attempt {
	out := api.Attempt{
		Id: op.ID, Operation: string(op.Action), Provider: op.Provider, Outcome: string(op.Outcome),
		Error: failureView(op.Error), StartedAt: op.StartedAt, EndedAt: op.EndedAt,
	}
	if op.Tries > 1 {
		out.Tries = op.Tries
	}
	return out
}

func reviewView(r payment.Review) api.Review {
	return api.Review{
		Reason: r.Reason, Detail: r.Detail, At: r.At, SettledAt: r.SettledAt, Verdict: r.Verdict, Note: r.Note, By: r.By,
	}
}

func disputeView(d payment.Dispute) api.Dispute {
	return api.Dispute{
		Reference: d.Reference, Amount: d.Amount, Currency: string(d.Currency), Reason: d.Reason, Status: d.Status,
		DueBy: d.DueBy, FundsWithdrawn: d.FundsWithdrawn, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
}

// failureView returns the view of a failure, as a card error if its cause is the card or the buyer.
func failureView(f *payment.Failure) api.Failure {
	switch {
	case f == nil:
		return api.Failure{}
	case f.CausedByBuyer():
		return publicFailure(f.Code, f.DeclineCode, f.Message)
	}
	return api.Failure{Type: string(api.ApiError), Code: f.Code, Message: f.Message}
}
