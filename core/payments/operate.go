package payments

import (
	"cmp"
	"context"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/money"
	"patchbay/core/payment"
)

const (
	codeInProgress = "operation_in_progress"
	codeTooLarge   = "amount_too_large" // the amount exceeds what is left
)

// Confirm confirms a payment. A payment that never reached its provider is created there by
// the same call. An erased payment cannot be confirmed: Conflict with code payment_erased.
//
// The errors of all operations on a payment: NotFound; Declined; Invalid; Conflict with code
// unexpected_state, operation_in_progress, payment_erased (the answer under this key was
// erased), idempotency.CodeMismatch or idempotency.CodeInFlight; Unavailable: nothing was
// done, and a repeat under the same key tries again.
func (s *Service) Confirm(ctx context.Context, tenant, id string, r ConfirmRequest, key idempotency.Key) (Result, error) {
	if err := (payment.Fields{PaymentMethod: r.PaymentMethod, ReturnURL: r.ReturnURL}).Check(); err != nil {
		return Result{}, err
	}
	return s.operate(ctx, tenant, id, key, func(p *payment.Payment) error {
		if err := confirmable(p); err != nil {
			return err
		}
		if p.Status == payment.RequiresPaymentMethod && r.PaymentMethod == "" { // a declined card cannot be used again
			return fault.InvalidParam("paymentMethod", "payment_method_missing", "this payment needs a payment method")
		}
		before, request := p.Status, p.Operations[0].Request
		request.Confirm = true
		request.ReturnURL = cmp.Or(r.ReturnURL, request.ReturnURL)
		if p.Confirmation == payment.ConfirmClient && request.ReturnURL == "" {
			return fault.InvalidParam("returnUrl", "return_url_required",
				"a payment that was to be confirmed by the client may send the buyer away: confirming it here needs a returnUrl")
		}
		p.Status, p.NextAction, p.Error = payment.Processing, nil, nil
		if p.ProviderReference == "" {
			return s.beginCreateByConfirm(p, key, request, r.PaymentMethod)
		}
		method := cmp.Or(r.PaymentMethod, request.PaymentMethods[p.Provider])
		err := s.begin(p, payment.Confirm, 0, key, payment.Request{
			Reference: p.ProviderReference, PaymentMethod: method, ReturnURL: request.ReturnURL, Confirm: true,
		})
		p.Open().Before = before
		return err
	})
}

// Capture captures an authorised payment; amount 0 means all of it.
func (s *Service) Capture(ctx context.Context, tenant, id string, amount int64, key idempotency.Key) (Result, error) {
	return s.operate(ctx, tenant, id, key, func(p *payment.Payment) error {
		if err := capturable(p, amount); err != nil {
			return err
		}
		return s.begin(p, payment.Capture, cmp.Or(amount, p.AmountCapturable), key, payment.Request{Reference: p.ProviderReference})
	})
}

// Cancel cancels a payment that has not succeeded.
func (s *Service) Cancel(ctx context.Context, tenant, id string, key idempotency.Key) (Result, error) {
	return s.operate(ctx, tenant, id, key, func(p *payment.Payment) error {
		if err := cancelable(p); err != nil {
			return err
		}
		if err := s.begin(p, payment.Cancel, 0, key, payment.Request{Reference: p.ProviderReference}); err != nil {
			return err
		}
		if p.ProviderReference == "" { // the payment never reached its provider
			p.Answer(p.Open(), payment.Done, payment.Intent{Status: payment.Canceled})
		}
		return nil
	})
}

// operate does one operation on a payment. It answers a repeat of a key, refuses while
// another operation is open, and saves what begin adds before it calls the provider.
func (s *Service) operate(ctx context.Context, tenant, id string, key idempotency.Key, begin func(*payment.Payment) error) (Result, error) {
	by := s.Clock.Now().Add(answerWithin)
	st, err := s.find(ctx, tenant, id)
	if err != nil {
		return Result{}, err
	}
	if st.payment.Under(key.Scoped) != nil {
		return s.repeat(ctx, by, st, key)
	}
	if err := s.adoptFound(ctx, &st); err != nil {
		return Result{Payment: st.payment}, err
	}
	result, err := s.start(ctx, by, st, key.Scoped, func(p *payment.Payment) error {
		if p.Under(key.Scoped) != nil {
			return errRepeat
		}
		return begin(p)
	})
	if err == errRepeat { //nolint:errorlint // our own sentinel, returned as it is
		return s.operate(ctx, tenant, id, key, begin)
	}
	if k := fault.KindOf(err); (k == fault.Conflict || k == fault.Invalid) && s.outdated(&result.Payment) {
		asking, cancel := context.WithTimeout(ctx, answerWithin/2)
		defer cancel()
		if err := s.resync(asking, tenant, id); err != nil {
			return result, fault.Wrap(fault.Unavailable, "payments.renew", err)
		}
		return s.operate(ctx, tenant, id, key, begin) // the provider's state must decide on the refusal
	}
	return result, err
}

// errRepeat reports that the key was used while the payment was read again.
var errRepeat = fault.New(fault.Conflict, idempotency.CodeInFlight, "the first request under this key is still under way")

// start saves an operation under a caller's key, claimed by this process, and runs it.
func (s *Service) start(ctx context.Context, by time.Time, st stored, key string, begin func(*payment.Payment) error) (Result, error) {
	var began tryID
	err := s.records.Update(ctx, &st, func(st *stored) error {
		p := &st.payment
		if began.in(p) { // it was saved, and only the answer was lost
			return nil
		}
		if open := p.Open(); open != nil {
			return fault.New(fault.Conflict, codeInProgress, "a "+string(open.Action)+" of this payment is still under way")
		}
		p.Operations = slices.Clone(p.Operations)
		makeRoom(p, key, len(st.record.Body)-roomyBytes)
		count := len(p.Operations)
		if err := s.sameAccount(p); err != nil {
			return err
		}
		if err := begin(p); err != nil {
			return err
		}
		if len(p.Operations) > count && count >= maxOps && p.Operations[count].Action != payment.Cancel {
			return fault.New(fault.Conflict, "too_many_operations", "this payment takes no more operations")
		}
		began = tryOf(lastBegun(p))
		st.limit = maxBytes
		if lastBegun(p).Action == payment.Cancel { // a cancel must always be possible
			st.limit = 0
		}
		s.hold(st)
		return nil
	})
	if err != nil {
		return Result{Payment: st.payment}, err
	}
	return s.run(ctx, by, st, began.id)
}

// lastBegun returns the operation that was begun last.
func lastBegun(p *payment.Payment) *payment.Operation {
	last := &p.Operations[0]
	for i := range p.Operations {
		if op := &p.Operations[i]; !last.After(op) {
			last = op
		}
	}
	return last
}

// sameAccount returns Conflict with code account_changed if the name of the payment's
// provider now means another account than the one that holds the payment.
func (s *Service) sameAccount(p *payment.Payment) error {
	if now := s.account(p.Provider); p.ProviderReference != "" && p.Account != "" && now != "" && now != p.Account {
		return fault.New(fault.Conflict, codeAccount, "the payment is held by an account that is not configured any more")
	}
	return nil
}

// allowed returns an error unless the state of the payment still allows an operation.
func allowed(p *payment.Payment, op *payment.Operation) error {
	switch op.Action {
	case payment.Capture:
		return capturable(p, op.Amount)
	case payment.Cancel:
		return cancelable(p)
	case payment.Refund:
		return refundable(p, op.Amount)
	case payment.Create, payment.Confirm:
	}
	return confirmable(p)
}

func confirmable(p *payment.Payment) error {
	if !p.ErasedAt.IsZero() {
		return errErased
	}
	switch p.Status {
	case payment.RequiresPaymentMethod, payment.RequiresConfirmation, payment.RequiresAction:
		return nil
	case payment.Processing, payment.RequiresCapture, payment.Succeeded, payment.Canceled:
	}
	return unexpected(p, "confirmed")
}

func capturable(p *payment.Payment, amount int64) error {
	if p.Status != payment.RequiresCapture {
		return unexpected(p, "captured")
	}
	return checkAmount(amount, p.AmountCapturable, p.Currency)
}

func cancelable(p *payment.Payment) error {
	if p.Status.Terminal() {
		return unexpected(p, "canceled")
	}
	return nil
}

func refundable(p *payment.Payment, amount int64) error {
	left := p.Refundable()
	if p.AmountCaptured == 0 || left <= 0 {
		return unexpected(p, "refunded")
	}
	return checkAmount(amount, left, p.Currency)
}

func unexpected(p *payment.Payment, done string) error {
	return fault.New(fault.Conflict, payment.CodeState, "a payment that is "+string(p.Status)+" cannot be "+done)
}

// checkAmount returns Invalid unless amount can be moved. limit is the amount that is left.
func checkAmount(amount, limit int64, c money.Currency) error {
	switch {
	case amount < 0:
		return fault.InvalidParam("amount", "amount_not_positive", "amount must be a positive number of minor units")
	case amount > limit:
		return fault.InvalidParam("amount", codeTooLarge, "amount is more than what is left")
	}
	return money.CheckStep(amount, c)
}

// Refund refunds a payment; amount 0 means all that is left. The Operation of the Result is
// the refund.
func (s *Service) Refund(ctx context.Context, tenant, id string, amount int64, key idempotency.Key) (Result, error) {
	return s.operate(ctx, tenant, id, key, func(p *payment.Payment) error {
		wanted := cmp.Or(amount, p.Refundable())
		if err := refundable(p, amount); err != nil {
			begun := payment.Operation{Key: key.Scoped, StartedAt: s.Clock.Now()}
			if p.AmountCaptured == 0 || !s.predatesRestore(p, begun) {
				return err
			}
			wanted = cmp.Or(max(wanted, 0), p.AmountCaptured) // the provider may have done this very refund: the call looks for it
		}
		if err := s.begin(p, payment.Refund, wanted, key, payment.Request{Reference: p.ProviderReference}); err != nil {
			return err
		}
		p.Open().All = amount == 0
		return nil
	})
}

// exceedsRemainder reports whether the provider has refused a refund because less is left than the
// amount, or nothing.
func exceedsRemainder(op *payment.Operation) bool {
	if op.Action != payment.Refund || op.Outcome != payment.NotExecuted || op.Reference != "" || op.Error == nil {
		return false
	}
	kind, code := fault.ParseKind(op.Kind), op.Error.Code
	return kind == fault.Invalid && code == codeTooLarge || kind == fault.Conflict && code == payment.CodeState
}

// retryWithRemainder asks the provider what is left after it has refused a refund: somebody may have
// made a refund there that the store does not know. If the caller asked for all that is
// left, readjust begins a further try with that amount and returns true.
func (s *Service) retryWithRemainder(ctx context.Context, st *stored, refused payment.Operation) bool {
	if _, err := s.Sync(ctx, st.payment.Tenant, st.payment.ID); err != nil {
		return false
	}
	fresh, err := s.records.Get(ctx, st.payment.Tenant, st.payment.ID)
	if err != nil {
		return false
	}
	*st = fresh
	var began tryID
	err = s.records.Update(ctx, st, func(st *stored) error {
		if began.in(&st.payment) {
			return nil
		}
		op := st.payment.Operation(refused.ID)
		again := op != nil && op.All && exceedsRemainder(op) && op.Tries == refused.Tries && st.payment.Open() == nil &&
			st.payment.Refundable() > 0 && st.payment.Refundable() < op.Amount
		if !again {
			return errRefusalStands
		}
		accepted := op.AcceptedAt
		op.Amount, op.Absent = st.payment.Refundable(), true // the refused key can have no further effect
		if err := s.beginTry(&st.payment, op); err != nil {
			return err
		}
		op.AcceptedAt = accepted
		began = tryOf(op)
		s.hold(st)
		return nil
	})
	return err == nil
}

// errRefusalStands reports that a refusal stands.
var errRefusalStands = fault.New(fault.Conflict, payment.CodeState, "nothing else is left")
