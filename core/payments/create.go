// Package payments creates payments at the providers, and confirms, captures, cancels and
// refunds them. Each operation is saved before its provider is called. No money moves twice
// for one key. An unknown outcome is investigated until it is known.
package payments

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/ports"
)

// Create makes a payment at the first provider that accepts it, and confirms it if the
// request says so.
//
// It makes two durable commits. The first, before the provider is called, saves the payment
// with its operation, claimed by this process. The second saves the outcome. Each further
// provider takes one more commit. A repeat under the same key is answered from the stored
// payment. It begins nothing once the payment has advanced.
//
// Invalid; Declined; Conflict with idempotency.CodeMismatch, idempotency.CodeInFlight or
// code payment_erased; Unavailable: no money moved, and a repeat under the same key tries
// again.
func (s *Service) Create(ctx context.Context, tenant string, r CreateRequest, key idempotency.Key) (Result, error) {
	by := s.Clock.Now().Add(answerWithin)
	if err := cmp.Or(money.Check(r.Amount, r.Currency, s.Currencies), r.Check()); err != nil {
		return Result{}, err
	}
	if len(s.Gateways) == 0 {
		return Result{}, fault.New(fault.Unavailable, "no_payment_provider", "no payment provider is configured")
	}
	for generation := 0; generation < maxGenerations; generation++ {
		held := s.Held() // read first: if it is false, all that the providers hold is known in the lookups below
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
			_, absent := s.records.Get(ctx, tenant, s.paymentID(key, generation))
			if absent == nil { // the payment is of an earlier use of the key, which has expired
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
		known, err := s.records.Find(ctx, ports.ByIdem, key.Scoped)
		if !fault.Is(err, fault.NotFound) {
			return s.answered(ctx, by, known, key, err)
		}
		// The key has expired since. The payment of its last use has this ID, so the next
		// generation is new, unless this payment was read from its provider.
		if known, ok, err := s.reclaim(ctx, tenant, r, key, generation); ok || err != nil {
			return s.answered(ctx, by, known, key, err)
		}
	}
	return Result{}, fault.New(fault.Conflict, "idempotency_key_worn", "this idempotency key was used too often; use another")
}

// onlyRepeat answers a key that the store has, and makes no new payment. It is used if the
// request has expired, or if new payments are held after a restore.
func (s *Service) onlyRepeat(ctx context.Context, by time.Time, key idempotency.Key, held bool) (Result, error) {
	if !key.Empty() {
		known, err := s.records.Find(ctx, ports.ByIdem, key.Scoped)
		if err == nil && held && s.usedSince(&known.payment, key) {
			return Result{}, errInventoryPending
		}
		if !fault.Is(err, fault.NotFound) {
			return s.answered(ctx, by, known, key, err)
		}
	}
	if held {
		return Result{}, errInventoryPending
	}
	return Result{}, errExpired
}

// errExpired refuses a payment whose expiresAt has passed.
var errExpired = fault.InvalidParam("expiresAt", "expires_in_the_past", "expiresAt must be in the future")

// answered answers a key from its payment, or returns err.
func (s *Service) answered(ctx context.Context, by time.Time, st stored, key idempotency.Key, err error) (Result, error) {
	if err != nil {
		return Result{}, err
	}
	return s.repeat(ctx, by, st, key)
}

// draft returns a payment that is claimed by this process and about to be created at the
// provider.
func (s *Service) draft(tenant string, r CreateRequest, key idempotency.Key, generation int) (stored, error) {
	now := s.Clock.Now()
	r = withDefaults(r)
	p := payment.Payment{
		ID: s.paymentID(key, generation), Tenant: tenant, Amount: r.Amount, Currency: r.Currency,
		Status: payment.Processing, CustomerID: r.CustomerID, Description: r.Description,
		ReturnURL: r.ReturnURL, CaptureMethod: r.CaptureMethod, Confirmation: r.Confirmation,
		Metadata: maps.Clone(r.Metadata), ExpiresAt: r.ExpiresAt, CreatedAt: now, KnownSince: s.restoredAt(),
	}
	if err := s.beginCreate(&p, payment.Create, key, s.requestOf(r)); err != nil {
		return stored{}, err
	}
	st := stored{payment: p, record: ports.Record{Idem: key.Scoped}, limit: maxBytes}
	s.hold(&st)
	return st, nil
}

// withDefaults returns the request with its defaults filled in.
func withDefaults(r CreateRequest) CreateRequest {
	r.CaptureMethod = cmp.Or(r.CaptureMethod, payment.CaptureAutomatic)
	if r.Confirmation == "" && r.Confirm {
		r.Confirmation = payment.ConfirmServer
	}
	r.Confirmation = cmp.Or(r.Confirmation, payment.ConfirmClient)
	return r
}

// requestOf returns the part of the request that goes to the provider of the create.
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

// begin prepares an operation to be called at the payment's provider: a new operation, or a
// further try of one that did nothing. A further try has the same provider key and the same
// body. So if the proof that nothing was done should be wrong, the provider recognizes the
// key.
func (s *Service) begin(p *payment.Payment, a payment.Action, amount int64, key idempotency.Key, r payment.Request) error {
	op := s.earlierTry(p, a, key, r)
	if op == nil {
		p.Operations = append(p.Operations, payment.Operation{
			ID: s.IDs.New("op"), Action: a, Provider: p.Provider, Amount: amount,
			Request: r, Key: key.Scoped, Fingerprint: key.Fingerprint, StartedAt: s.Clock.Now(),
		})
		op = &p.Operations[len(p.Operations)-1]
	}
	op.Request.Made = r.Made
	return s.beginTry(p, op)
}

// beginTry makes an operation ready for its next call.
func (s *Service) beginTry(p *payment.Payment, op *payment.Operation) error {
	if op.Absent { // no effect of the previous key is possible any more
		op.Generation++
		op.Absent, op.Unsure, op.Stale, op.Lookups, op.LookedAt, op.SeenAt = false, false, false, 0, time.Time{}, time.Time{}
		op.ProviderKey, op.Body = "", ""
	}
	if op.Outcome != "" {
		op.Tries = max(op.Tries, 1) + 1
		op.TriedAt = s.Clock.Now()
	}
	op.Outcome, op.Kind, op.Error, op.EndedAt = payment.Calling, "", nil, time.Time{}
	op.ClearAnswer()
	op.AcceptedAt, op.Turn = time.Time{}, nextTurn(p)
	if op.Request.Made == nil { // otherwise it was begun before the restore
		op.KnownSince = s.restoredAt()
	}
	if op.ProviderKey == "" {
		op.ProviderKey = s.providerKey(p, op)
	}
	s.recordAccount(p, op)
	g, ok := s.gateway(op.Provider)
	if op.Body != "" || !ok { // without a gateway, call returns the error
		return nil
	}
	body, err := g.Compose(change(p, op))
	op.Body = body
	return err
}

// recordAccount records the account that the operation is sent to, unless it is recorded. For
// an operation that creates the intent, that is also the account of the payment: another
// provider may have been tried before.
func (s *Service) recordAccount(p *payment.Payment, op *payment.Operation) {
	op.Account = cmp.Or(op.Account, s.account(op.Provider))
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

// sameAccountAs reports whether the operation was sent to the account that its provider's name
// means now. It is true if either account is not known.
func (s *Service) sameAccountAs(op *payment.Operation) bool {
	now := s.account(op.Provider)
	return op.Account == "" || now == "" || now == op.Account
}

// earlierTry returns the operation of the same request at the payment's provider if it did
// nothing, else nil. Without a key only an operation that creates the intent is recognized
// as the same request, since an intent is created only once.
func (s *Service) earlierTry(p *payment.Payment, a payment.Action, key idempotency.Key, r payment.Request) *payment.Operation {
	for i := len(p.Operations) - 1; i >= 0; i-- {
		op := &p.Operations[i]
		same := op.Action == a && op.Provider == p.Provider && op.Key == key.Scoped && op.DidNothing() && s.sameAccountAs(op)
		if same && (op.Key != "" || op.Creates() && reflect.DeepEqual(op.Request, r)) {
			return op
		}
	}
	return nil
}

func ourUser(customer string) bool { return strings.HasPrefix(customer, "usr_") }

// The payment's ID and the provider's key are derived from the caller's key alone, with the
// secret of the installation. So they are the same after an older copy of the store was
// restored, and the provider recognizes the request. A new generation replaces one that can
// have no further effect.

// maxGenerations bounds how often one key can be used again after it has expired.
const maxGenerations = 10_000

// paymentID returns the ID of the payment that is made under a key.
func (s *Service) paymentID(key idempotency.Key, generation int) string {
	if key.Empty() {
		return s.IDs.New("pay")
	}
	return "pay_" + key.Derive(s.Secret, "payment", strconv.Itoa(generation))
}

// providerKey returns the idempotency key of an operation at its provider. An operation
// without a caller's key is repeated only by the gateway, so its key is made of its ID. If
// older operations of the payment have used the same provider key, and have lost the
// caller's key by expiry, the generation is the one after the last of them. After a restore,
// generations in between may be missing.
func (s *Service) providerKey(p *payment.Payment, op *payment.Operation) string {
	if op.Key == "" {
		if op.Generation == 0 {
			return op.ID
		}
		return op.ID + "_" + strconv.Itoa(op.Generation)
	}
	name := func(generation int) string {
		return "pbk_" + idempotency.Key{Scoped: op.Key}.Derive(s.Secret, "operation", p.ID, string(op.Action), op.Provider, strconv.Itoa(generation))
	}
	lost := 0
	if s.predatesRestore(p, *op) {
		lost = s.lastRestore().missedUses()
	}
	next := op.Generation
	for g := next; g <= next+lost; g++ {
		if slices.ContainsFunc(p.Operations, func(other payment.Operation) bool { return other.ID != op.ID && other.ProviderKey == name(g) }) {
			next = g + 1
		}
	}
	op.Generation = next
	return name(next)
}

// CreateRequest is a request to create a payment. Providers are named as configured. An empty
// CaptureMethod means automatic, an empty Confirmation server with Confirm and client without.
type CreateRequest = payment.Fields

// ConfirmRequest is a request to confirm a payment.
type ConfirmRequest struct {
	PaymentMethod string // empty if the payment has one
	ReturnURL     string // empty if the payment has one
}

// Result is a payment after an operation. Replayed means that the operation was done before
// under the same key, and that Payment is as it was then. If Operation.Outcome is open, the
// work continues and Payment is the present state.
//
// A Result is returned with an error, too, if a payment was stored.
type Result struct {
	Payment   payment.Payment
	Operation payment.Operation
	Replayed  bool
}

// Filter selects payments. An empty field selects all.
type Filter struct {
	Reference  string // the provider's reference: pi_…
	CustomerID string
	Status     payment.Status
}

// Page is a part of a list, newest first. Next is empty at the end.
type Page struct {
	Payments []payment.Payment
	Next     string
}
