package checkout

import (
	"context"
	"maps"
	"reflect"
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
// one more. A repeat under the same key is answered from the payment itself; it
// begins nothing once anything has become of the payment.
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
	for generation := 0; generation < maxGenerations; generation++ {
		held := s.Held() // what is found from here on is all that there is, unless it is held
		last, found, err := s.lastUse(ctx, tenant, key, generation)
		if err != nil {
			return Result{}, err
		}
		if generation = last; found {
			if known, ok, err := s.reclaim(ctx, tenant, r, key, generation); ok || err != nil {
				return s.answered(ctx, by, known, key, err)
			}
		}
		if late := !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(by.Add(-answerWithin)); held || late {
			result, err := s.onlyRepeat(ctx, by, key, held)
			if err != errExpired { //nolint:errorlint // our own sentinel, returned as it is
				return result, err
			}
			_, absent := s.load(ctx, tenant, s.paymentID(key, generation))
			if absent == nil { // of a use that has expired
				continue
			}
			if !fault.Is(absent, fault.NotFound) {
				err = absent
			}
			return Result{}, err
		}
		st, err := s.draft(tenant, r, key, generation)
		if err != nil {
			return Result{}, err
		}
		id := st.payment.Operations[len(st.payment.Operations)-1].ID
		switch err := s.insert(ctx, &st); {
		case err == nil:
			return s.run(ctx, by, st, id)
		case !fault.Is(err, fault.Conflict) || key.Empty():
			return Result{}, err
		}
		known, err := s.byKey(ctx, key)
		if !fault.Is(err, fault.NotFound) {
			return s.answered(ctx, by, known, key, err)
		}
		// The key has expired since: what was made under it has the id, and the next generation
		// is new, unless it was read from its provider.
		if known, ok, err := s.reclaim(ctx, tenant, r, key, generation); ok || err != nil {
			return s.answered(ctx, by, known, key, err)
		}
	}
	return Result{}, fault.New(fault.Conflict, "idempotency_key_worn", "this idempotency key was used too often; use another")
}

// onlyRepeat answers a key that the store has, and makes nothing: it is too late for that, or
// held until it is known what the providers hold.
func (s *Service) onlyRepeat(ctx context.Context, by time.Time, key idem.Key, held bool) (Result, error) {
	if !key.Empty() {
		known, err := s.byKey(ctx, key)
		if err == nil && held && s.usedSince(&known.payment, key) {
			return Result{}, errRecollecting()
		}
		if !fault.Is(err, fault.NotFound) {
			return s.answered(ctx, by, known, key, err)
		}
	}
	if held {
		return Result{}, errRecollecting()
	}
	return Result{}, errExpired
}

// errExpired refuses what was to be made before now.
var errExpired = fault.InvalidParam("expiresAt", "expires_in_the_past", "expiresAt must be in the future")

// answered answers a key from its payment, if that could be read.
func (s *Service) answered(ctx context.Context, by time.Time, st stored, key idem.Key, err error) (Result, error) {
	if err != nil {
		return Result{}, err
	}
	return s.repeat(ctx, by, st, key)
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
func (s *Service) draft(tenant string, r CreateRequest, key idem.Key, generation int) (stored, error) {
	now := s.Clock.Now()
	r = withDefaults(r)
	p := payment.Payment{
		ID: s.paymentID(key, generation), Tenant: tenant, Amount: r.Amount, Currency: r.Currency,
		Status: payment.Processing, CustomerID: r.CustomerID, Description: r.Description,
		ReturnURL: r.ReturnURL, CaptureMethod: r.CaptureMethod, Confirmation: r.Confirmation,
		Metadata: maps.Clone(r.Metadata), ExpiresAt: r.ExpiresAt, CreatedAt: now, KnownSince: s.restoredAt(),
	}
	if err := s.place(&p, payment.Create, key, s.requestOf(r)); err != nil {
		return stored{}, err
	}
	st := stored{payment: p, record: ports.Record{Idem: key.Scoped}, limit: maxBytes}
	s.hold(&st)
	return st, nil
}

// withDefaults is a request with what is meant where it does not say.
func withDefaults(r CreateRequest) CreateRequest {
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
	return r
}

// requestOf is what a request asks of the provider that makes its payment.
func (s *Service) requestOf(r CreateRequest) payment.Request {
	request := payment.Request{
		PaymentMethods: maps.Clone(r.PaymentMethods), Customers: maps.Clone(r.Customers), Confirm: r.Confirm, ReturnURL: r.ReturnURL,
	}
	first := s.Gateways[0].Name()
	prefer(&request.PaymentMethods, first, r.PaymentMethod)
	if !ourUser(r.CustomerID) {
		prefer(&request.Customers, first, r.CustomerID)
	}
	return request
}

// begin makes an operation ready to be called, at the provider of the payment: a new
// one, or a further try of one that did nothing, under the same key at the provider and
// with the same body. Should the proof that nothing was done be wrong, the provider
// knows the key.
func (s *Service) begin(p *payment.Payment, a payment.Action, amount int64, key idem.Key, r payment.Request) error {
	op := s.tried(p, a, key, r)
	if op == nil {
		p.Operations = append(p.Operations, payment.Operation{
			ID: s.IDs.New("op"), Action: a, Provider: p.Provider, Amount: amount,
			Request: r, Key: key.Scoped, Fingerprint: key.Fingerprint, StartedAt: s.Clock.Now(),
		})
		op = &p.Operations[len(p.Operations)-1]
	}
	op.Request.Made = r.Made
	return s.try(p, op)
}

// try makes an operation ready for its next call.
func (s *Service) try(p *payment.Payment, op *payment.Operation) error {
	if op.Absent { // nothing can come of the key before any more
		op.Generation++
		op.Absent, op.Unsure, op.Stale, op.Lookups, op.LookedAt, op.SeenAt = false, false, false, 0, time.Time{}, time.Time{}
		op.ProviderKey, op.Body = "", ""
	}
	if op.Outcome != "" {
		op.Tries = max(op.Tries, 1) + 1
		op.TriedAt = s.Clock.Now()
	}
	op.Outcome, op.Kind, op.Error, op.EndedAt = payment.Calling, "", nil, time.Time{}
	op.Unremember()
	op.AcceptedAt, op.Turn = time.Time{}, nextTurn(p)
	if op.Request.Made == nil { // else it is from before
		op.KnownSince = s.restoredAt()
	}
	if op.ProviderKey == "" {
		op.ProviderKey = s.providerKey(p, op)
	}
	if op.Account == "" {
		op.Account = s.account(op.Provider)
	}
	if op.Creates() { // another provider may have been tried meanwhile
		p.Account = op.Account
	}
	if op.Body != "" {
		return nil
	}
	body, err := s.compose(p, op)
	op.Body = body
	return err
}

// know notes the account that an operation goes to, and with the one that makes the
// intent that of the payment.
func (s *Service) know(p *payment.Payment, op *payment.Operation) {
	op.Account = s.account(op.Provider)
	if op.Creates() {
		p.Account = op.Account
	}
}

func nextTurn(p *payment.Payment) int {
	last := 0
	for _, op := range p.Operations {
		last = max(last, op.Turn)
	}
	return last + 1
}

// sameAs reports whether the operation went to the account that its provider's name means
// now, as far as that is known.
func (s *Service) sameAs(op *payment.Operation) bool {
	now := s.account(op.Provider)
	return op.Account == "" || now == "" || now == op.Account
}

// tried is the operation of the same request of a caller at the payment's provider, if
// it did nothing. Without a key only what makes the intent, which is made once, is taken
// for the same.
func (s *Service) tried(p *payment.Payment, a payment.Action, key idem.Key, r payment.Request) *payment.Operation {
	for i := len(p.Operations) - 1; i >= 0; i-- {
		op := &p.Operations[i]
		same := op.Action == a && op.Provider == p.Provider && op.Key == key.Scoped && op.DidNothing() && s.sameAs(op)
		if same && (op.Key != "" || op.Creates() && reflect.DeepEqual(op.Request, r)) {
			return op
		}
	}
	return nil
}

func ourUser(customer string) bool { return strings.HasPrefix(customer, "usr_") }
