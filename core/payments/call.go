package payments

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/ports"
)

// answer is the answer of a provider.
type answer struct {
	intent payment.Intent // without a Reference if nothing is known
	refund payment.ProviderRefund
	err    error
	// observed means that the answer is what the provider holds, not its response to a call.
	// absent means that the answer proves that the operation was never executed.
	observed, absent bool
	// answered means that the provider answered a lookup, at the time at by its clock.
	answered bool
	at       time.Time
	use      use // the use of the key under which the refund was found
}

// use is one use of a caller's key, as a provider knows it.
type use struct {
	generation int
	key        string
}

// proves reports whether the answer shows what became of the operation, whatever other
// calls were made under its key: it carries the object that the provider made for it.
func (a answer) proves() bool {
	return a.err == nil || a.observed || fault.Is(a.err, fault.Declined) && fault.From(a.err).Proven
}

// call makes the provider call of an operation.
func (s *Service) call(ctx context.Context, p payment.Payment, op payment.Operation) answer {
	g, err := s.gatewayFor(op)
	if err != nil {
		return answer{err: err}
	}
	ctx, cancel := context.WithTimeout(ports.WithTenant(ctx, p.Tenant), callDeadline)
	defer cancel()
	if made := op.Request.Made; made != nil {
		return s.adopt(ctx, g, op, made.Reference)
	}
	var a answer
	switch r := change(&p, &op).(type) {
	case payment.CreateRequest:
		a.intent, a.err = g.Create(ctx, r)
	case payment.ConfirmRequest:
		a.intent, a.err = g.Confirm(ctx, r)
	case payment.CaptureRequest:
		a.intent, a.err = g.Capture(ctx, r)
	case payment.CancelRequest:
		a.intent, a.err = g.Cancel(ctx, r)
	case payment.RefundRequest:
		if before, ok := s.earlierRefund(ctx, g, p, op); ok {
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
	return declinedIn(answer{intent: i, observed: true}, op)
}

// gatewayFor returns the provider of an operation. Unavailable: it is not configured, or its
// account is still pending. UnknownOutcome with code account_changed: its name now means
// another account, which knows nothing of the operation.
func (s *Service) gatewayFor(op payment.Operation) (ports.PaymentGateway, error) {
	g, ok := s.gateway(op.Provider)
	if !ok {
		return nil, errNotConfigured
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

var (
	errAccount       = fault.New(fault.UnknownOutcome, codeAccount, "the provider's name means another account than the one that was asked")
	errNotConfigured = fault.New(fault.Unavailable, "provider_not_configured", "the provider of this payment is not configured")
)

// explain reads the payment if the provider refused the operation because of the payment's
// state: the provider knows something that the store does not.
func (s *Service) explain(ctx context.Context, g ports.PaymentGateway, op payment.Operation, a answer) answer {
	if !fault.Is(a.err, fault.Conflict) || op.Request.Reference == "" {
		return a
	}
	if intent, err := g.Retrieve(ctx, op.Request.Reference); err == nil {
		a.intent = intent
	}
	return a
}

// change returns the request of an operation to its provider.
func change(p *payment.Payment, op *payment.Operation) payment.Change {
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

// prefer assigns a value that a caller gave without naming a provider to the first provider.
func prefer(byProvider *map[string]string, first, value string) {
	if value == "" || (*byProvider)[first] != "" {
		return
	}
	if *byProvider == nil {
		*byProvider = make(map[string]string, 1)
	}
	(*byProvider)[first] = value
}

// beginCreate begins to create the payment's intent, at the first provider that is eligible and
// available. Those before it are recorded as not sent.
func (s *Service) beginCreate(p *payment.Payment, a payment.Action, key idempotency.Key, r payment.Request) (err error) {
	if err = s.adoptable(p, &r); err != nil {
		return err
	}
	able := s.eligible(p, r)
	if len(able) == 0 {
		if named := s.candidates(r); len(named) > 0 {
			return missingSupport(p, r, named[0].Capabilities())
		}
		return fault.InvalidParam("paymentMethods", "no_provider_eligible",
			"no provider has both a payment method and a customer here")
	}
	return s.beginCreateAt(p, a, key, r, able)
}

// beginCreateByConfirm begins to create the intent of a payment that has none yet, for a confirm. If the
// outcome of a try was ever unknown, no other provider is called.
func (s *Service) beginCreateByConfirm(p *payment.Payment, key idempotency.Key, r payment.Request, method string) (err error) {
	if err = s.adoptable(p, &r); err != nil {
		return err
	}
	unsure := slices.ContainsFunc(p.Operations, func(op payment.Operation) bool { return op.Unsure || op.Lookups > 0 })
	if g, ok := s.gateway(p.Provider); ok && unsure && r.Made == nil {
		prefer(&r.PaymentMethods, p.Provider, method)
		return s.beginCreateAt(p, payment.Confirm, key, r, []ports.PaymentGateway{g})
	}
	if method != "" {
		r.PaymentMethods = nil // the new method replaces those before
		prefer(&r.PaymentMethods, s.Gateways[0].Name(), method)
	}
	return s.beginCreate(p, payment.Confirm, key, r)
}

// adoptable makes a request adopt the intent that exists already, if there is one.
func (s *Service) adoptable(p *payment.Payment, r *payment.Request) (err error) {
	if r.Made == nil {
		r.Made, err = s.existingIntent(p.ID)
	}
	return err
}

func (s *Service) beginCreateAt(p *payment.Payment, a payment.Action, key idempotency.Key, r payment.Request, able []ports.PaymentGateway) error {
	for i, g := range able {
		p.Provider = g.Name()
		r.PaymentMethod, r.Customer = r.PaymentMethods[p.Provider], r.Customers[p.Provider]
		last := i == len(able)-1
		err := s.begin(p, a, 0, key, r)
		if err != nil && (last || !fault.Is(err, fault.Unsupported)) {
			return err
		}
		if err == nil {
			err = ports.Available(g)
		}
		if err == nil || last {
			return nil
		}
		op := p.Open()
		op.Outcome, op.EndedAt = payment.NotSent, op.LastTry()
		refuse(op, fault.From(err))
	}
	return nil
}

// missingSupport returns what a provider lacks to make a payment, nil if it lacks nothing.
func missingSupport(p *payment.Payment, r payment.Request, c payment.Capabilities) error {
	switch {
	case p.CaptureMethod == payment.CaptureManual && !c.ManualCapture:
		return unsupported("captureMethod", "capture_method_unsupported", "no provider that may make this payment can capture it later")
	case !c.SupportsCurrency(p.Currency):
		return unsupported("currency", "currency_unsupported", "no provider that may make this payment takes its currency")
	case p.Confirmation == payment.ConfirmClient && !r.Confirm && !c.InBrowser && (!c.Redirect || r.ReturnURL == ""):
		return unsupported("returnUrl", "confirmation_unsupported",
			"no provider that may make this payment lets a page of the caller confirm it; one that has a page of its own needs a returnUrl")
	case !c.Metadata.Allows(p.Metadata, ourMetadata):
		return unsupported("metadata", "metadata_unsupported", "no provider that may make this payment takes as much metadata")
	}
	return nil
}

func unsupported(param, code, message string) error {
	return &fault.Error{Kind: fault.Unsupported, Code: code, Param: param, Message: message}
}

// eligible lists the providers that may create the payment's intent and support it. A
// provider that does not support the request is skipped without a failure. If the payment is
// to be captured later, those that cannot capture a part of it come last: nobody knows yet
// how much it will be.
func (s *Service) eligible(p *payment.Payment, r payment.Request) []ports.PaymentGateway {
	able := s.candidates(r)
	if r.Made != nil {
		return able
	}
	able = slices.DeleteFunc(able, func(g ports.PaymentGateway) bool { return missingSupport(p, r, g.Capabilities()) != nil })
	if p.CaptureMethod == payment.CaptureManual {
		slices.SortStableFunc(able, func(a, b ports.PaymentGateway) int {
			return cmp.Compare(wholeCaptureOnly(a), wholeCaptureOnly(b))
		})
	}
	return able
}

// wholeCaptureOnly is 1 for a provider that can capture only the whole amount.
func wholeCaptureOnly(g ports.PaymentGateway) int {
	if g.Capabilities().PartialCapture {
		return 0
	}
	return 1
}

// candidates lists the providers that may create the intent. A provider needs a payment
// method of its own, unless the intent is created without one and confirmed later. It also
// needs a customer of its own, if the request has customers. A token of one provider means
// nothing to another.
func (s *Service) candidates(r payment.Request) (able []ports.PaymentGateway) {
	for i, g := range s.Gateways {
		name := g.Name()
		if r.Made != nil {
			if name == r.Made.Provider {
				able = append(able, g)
			}
			continue
		}
		method := r.PaymentMethods[name] != "" || len(r.PaymentMethods) == 0 && (i == 0 || !r.Confirm)
		customer := r.Customers[name] != "" || len(r.Customers) == 0
		if method && customer {
			able = append(able, g)
		}
	}
	return able
}

// allowsFailover reports whether a provider did nothing for a reason that need not apply to another:
// its state, or what it does not support.
func allowsFailover(err error) bool {
	return fault.KindOf(err).Rule().Failover || fault.Is(err, fault.Unsupported)
}

// failOver begins the same operation at the next provider if it is proved that this provider
// did nothing for a reason of its own. It reports whether it has begun. It does not if the
// record, whose size is bytes, would become too large.
func (s *Service) failOver(p *payment.Payment, op payment.Operation, bytes int, err error) bool {
	if err == nil || !op.DidNothing() || op.Unsure || p.ProviderReference != "" || !op.Creates() || op.Request.Made != nil || !allowsFailover(err) {
		return false
	}
	able := s.eligible(p, op.Request)
	at := slices.IndexFunc(able, func(g ports.PaymentGateway) bool { return g.Name() == op.Provider })
	if at < 0 || at == len(able)-1 || len(p.Operations) >= maxOps || bytes+bulk(&op) > maxBytes {
		return false
	}
	before := *p
	p.Operations = slices.Clone(p.Operations)
	p.Status, p.Error = payment.Processing, nil
	if s.beginCreateAt(p, op.Action, idempotency.Key{Scoped: op.Key, Fingerprint: op.Fingerprint}, op.Request, able[at+1:]) != nil {
		*p = before // the next provider cannot be called for this
		return false
	}
	return true
}
