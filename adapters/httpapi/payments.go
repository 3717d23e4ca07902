package httpapi

import (
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

// scopePay is the scope to make payments and refunds.
const scopePay = "payments:write"

func (s *Server) createPayment(r *request) error {
	var in api.PaymentIntentRequest
	key, err := r.decode(&in)
	if err != nil {
		return err
	}
	result, err := s.Payments.Create(r.ctx, r.tenant, payments.CreateRequest{
		Amount: in.Amount, Currency: money.Currency(in.Currency), CustomerID: in.CustomerId, Metadata: in.Metadata,
		PaymentMethod: in.PaymentMethod, PaymentMethods: in.PaymentMethods, Customers: in.Customers, Confirm: in.Confirm,
		CaptureMethod: payment.CaptureMethod(in.CaptureMethod), Confirmation: payment.Confirmation(in.Confirmation),
		ReturnURL: in.ReturnUrl, Description: in.Description, ExpiresAt: in.ExpiresAt,
	}, key)
	return r.paid(fiber.StatusCreated, result, err)
}

func (s *Server) confirmPayment(r *request) error {
	var in api.ConfirmRequest
	key, err := r.decode(&in)
	if err != nil {
		return err
	}
	result, err := s.Payments.Confirm(r.ctx, r.tenant, r.id(),
		payments.ConfirmRequest{PaymentMethod: in.PaymentMethod, ReturnURL: in.ReturnUrl}, key)
	return r.paid(fiber.StatusOK, result, err)
}

func (s *Server) capturePayment(r *request) error {
	var in api.AmountRequest
	key, err := r.decode(&in)
	if err != nil {
		return err
	}
	amount, err := part(in)
	if err != nil {
		return err
	}
	result, err := s.Payments.Capture(r.ctx, r.tenant, r.id(), amount, key)
	return r.paid(fiber.StatusOK, result, err)
}

func (s *Server) cancelPayment(r *request) error {
	var in struct{}
	key, err := r.decode(&in)
	if err != nil {
		return err
	}
	result, err := s.Payments.Cancel(r.ctx, r.tenant, r.id(), key)
	s.act(r, "payment.cancel", "payment", err)
	return r.paid(fiber.StatusOK, result, err)
}

func (s *Server) refundPayment(r *request) error {
	var in api.AmountRequest
	key, err := r.decode(&in)
	if err != nil {
		return err
	}
	amount, err := part(in)
	if err != nil {
		return err
	}
	result, err := s.Payments.Refund(r.ctx, r.tenant, r.id(), amount, key)
	r.replayed(result.Replayed)
	if err != nil {
		return failed(result, err)
	}
	return r.answer(progress(fiber.StatusCreated, result), refund(result.Payment, result.Operation))
}

// part returns the amount of a capture or refund. It returns 0, which means the full
// amount, only if no amount is given.
func part(in api.AmountRequest) (int64, error) {
	if in.Amount == nil {
		return 0, nil
	}
	if *in.Amount <= 0 {
		return 0, fault.InvalidParam("amount", "amount_not_positive", "amount must be a positive number of minor units")
	}
	return *in.Amount, nil
}

// paid answers an operation with its payment.
func (r *request) paid(done int, result payments.Result, err error) error {
	r.replayed(result.Replayed)
	if err != nil {
		return failed(result, err)
	}
	return r.answer(progress(done, result), r.payment(result.Payment))
}

// progress returns 202 while the outcome is open, and done otherwise.
func progress(done int, result payments.Result) int {
	if result.Operation.Outcome.Open() {
		return fiber.StatusAccepted
	}
	return done
}

func failed(result payments.Result, err error) error {
	if result.Payment.ID == "" {
		return err
	}
	return &ofPayment{err, result.Payment.ID}
}

func (s *Server) getPayment(r *request) error {
	p, err := s.Payments.Get(r.ctx, r.tenant, r.id())
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, r.payment(p))
}

func (s *Server) listPayments(r *request) error {
	cursor, limit, err := r.page()
	if err != nil {
		return err
	}
	status := payment.Status(r.query("status"))
	if status != "" && !status.Known() {
		return errUnknownStatus
	}
	page, err := s.Payments.List(r.ctx, r.tenant, payments.Filter{
		Reference: r.query("reference"), CustomerID: r.query("customerId"), Status: status,
	}, cursor, limit)
	if err != nil {
		return err
	}
	out := api.PaymentPage{Data: make([]api.Payment, len(page.Payments)), NextCursor: page.Next}
	for i, p := range page.Payments {
		out.Data[i] = r.payment(p)
	}
	return r.answer(fiber.StatusOK, out)
}

// payment returns the caller's view of a payment. A caller without scopePay does not see
// the values with which somebody could continue a payment in the buyer's place.
func (r *request) payment(p payment.Payment) api.Payment {
	if !r.who.Allows(scopePay) {
		p.Conceal()
	}
	out := api.Payment{
		Id: p.ID, Amount: p.Amount, Currency: string(p.Currency), Status: string(p.Status), CustomerId: p.CustomerID,
		Metadata: p.Metadata, Description: p.Description, CaptureMethod: string(p.CaptureMethod),
		Confirmation: string(p.Confirmation), ReturnUrl: p.ReturnURL,
		Provider: p.Provider, ProviderReference: p.ProviderReference, ClientSecret: p.ClientSecret,
		PublishableKey: p.PublishableKey, AmountCapturable: p.AmountCapturable, AmountCaptured: p.AmountCaptured,
		AmountRefunded: p.AmountRefunded, Error: failure(p.Error), NeedsReview: p.NeedsReview,
		Account: p.Account, ExpiresAt: p.ExpiresAt, NextLookAt: p.NextLookAt,
		Reviews: reviews(p), Refunds: refunds(p), Disputes: disputes(p),
		Attempts: make([]api.Attempt, len(p.Operations)), CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, ErasedAt: p.ErasedAt,
	}
	if n := p.NextAction; n != nil {
		out.NextAction = api.NextAction{Type: n.Type, Url: n.URL}
	}
	for i, op := range p.Operations {
		out.Attempts[i] = api.Attempt{
			Id: op.ID, Operation: string(op.Action), Provider: op.Provider, Outcome: string(op.Outcome),
			Error: failure(op.Error), StartedAt: op.StartedAt, EndedAt: op.EndedAt,
		}
		if op.Tries > 1 {
			out.Attempts[i].Tries = op.Tries
		}
	}
	return out
}

// failure returns the view of a failure, as a card error if its cause is the card or the buyer.
func failure(f *payment.Failure) api.Failure {
	switch {
	case f == nil:
		return api.Failure{}
	case f.Buyers():
		return publicFailure(f.Code, f.DeclineCode, f.Message)
	}
	return api.Failure{Type: string(api.ApiError), Code: f.Code, Message: f.Message}
}
