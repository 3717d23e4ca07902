package payments_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/webhook"
)

// provider is a payment provider in memory. It obeys idempotency keys, and its
// script may fail a call before or after it has its effect.
type provider struct {
	name string
	now  func() time.Time

	mu            sync.Mutex
	before, after script
	down          error // what Available says
	blind         error // what comes of looking
	calls, pages  int
	flaky         int // fails every nth page; 0: none
	intents       map[string]*payment.Intent
	listed        []*payment.Intent // newest first
	refunds       map[string]payment.ProviderRefund
	byKey         map[string]string
	atOnce        bool                  // it can only take money at once
	shape         *payment.Capabilities // what it declares instead of the usual
	unworded      error                 // what comes of wording a create
	disputes      []payment.Dispute
	refundsBegin  string // their status; succeeded where empty
	looked        func() // called at each look at an intent
}

// script is asked at each call, with its number from 1.
type script func(ctx context.Context, action payment.Action, n int) error

func (p *provider) failBefore(s script) { p.mu.Lock(); p.before = s; p.mu.Unlock() }
func (p *provider) failAfter(s script)  { p.mu.Lock(); p.after = s; p.mu.Unlock() }

func (p *provider) cannotLook(err error) { p.mu.Lock(); p.blind = err; p.mu.Unlock() }

// onLook has a function called at each look at an intent, before it is answered.
func (p *provider) onLook(looked func()) { p.mu.Lock(); p.looked = looked; p.mu.Unlock() }

// silentOnceAsked lets it list what it holds, and tell nothing any more once it is asked
// about an intent.
func (p *provider) silentOnceAsked() {
	p.onLook(func() { p.cannotLook(fault.New(fault.Unavailable, "scripted", "")) })
}

// failPages makes every nth page of a listing fail.
func (p *provider) failPages(nth int) { p.mu.Lock(); p.flaky = nth; p.mu.Unlock() }

func (p *provider) leaveAlone(err error) { p.mu.Lock(); p.down = err; p.mu.Unlock() }

func (p *provider) Available() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down
}

func (p *provider) called() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

func newProvider(name string) *provider {
	return &provider{
		name: name, now: time.Now, intents: map[string]*payment.Intent{},
		refunds: map[string]payment.ProviderRefund{}, byKey: map[string]string{},
	}
}

func (p *provider) Name() string { return p.name }

func (p *provider) Capabilities() payment.Capabilities {
	if p.shape != nil {
		return *p.shape
	}
	return payment.Capabilities{
		ManualCapture: !p.atOnce, Refunds: true, PartialRefunds: true, InBrowser: true,
		Keys: payment.Keys{Kept: 24 * time.Hour}, Lookup: payment.Lookup{List: true},
	}
}

// Account is that of the name.
func (p *provider) Account(context.Context) (string, error) { return "acct_" + p.name, nil }

// Compose words a request as Go does.
func (p *provider) Compose(change payment.Change) (string, error) {
	if _, create := change.(payment.CreateRequest); create && p.unworded != nil {
		return "", p.unworded
	}
	return fmt.Sprintf("%+v", change), nil
}

// do wraps the effect of a call in what the script says.
func (p *provider) do(ctx context.Context, a payment.Action, effect func() error) error {
	p.mu.Lock()
	p.calls++
	n, before, after := p.calls, p.before, p.after
	p.mu.Unlock()
	if before != nil {
		if err := before(ctx, a, n); err != nil {
			return err
		}
	}
	p.mu.Lock()
	err := effect()
	p.mu.Unlock()
	if err == nil && after != nil {
		return after(ctx, a, n)
	}
	return err
}

func (p *provider) Create(ctx context.Context, r payment.CreateRequest) (i payment.Intent, err error) {
	err = p.do(ctx, payment.Create, func() error {
		if ref, ok := p.byKey[r.Key]; ok {
			i = *p.intents[ref]
			return nil
		}
		i = payment.Intent{
			Reference: fmt.Sprintf("pi_%d", len(p.intents)+1), Status: payment.RequiresConfirmation,
			Amount: r.Amount, Currency: r.Currency, Metadata: maps.Clone(r.Metadata), CreatedAt: p.now(),
			ClientSecret: fmt.Sprintf("pi_%d_secret", len(p.intents)+1), PublishableKey: "pk_" + p.name,
		}
		switch {
		case r.PaymentMethod == "pm_declined":
			i.Status, i.Failure = payment.RequiresPaymentMethod, &payment.Failure{Code: "card_declined", DeclineCode: "generic_decline"}
		case r.Confirm && r.PaymentMethod == "pm_buyer":
			i.Status, i.NextAction = payment.RequiresAction, &payment.NextAction{Type: "use_stripe_sdk"}
		case r.Confirm && r.PaymentMethod == "pm_bank":
			i.Status = payment.Processing
		case r.Confirm && r.CaptureMethod == payment.CaptureManual:
			i.Status, i.AmountCapturable = payment.RequiresCapture, r.Amount
		case r.Confirm:
			i.Status, i.AmountCaptured = payment.Succeeded, r.Amount
		}
		p.byKey[r.Key] = i.Reference
		p.intents[i.Reference] = &i
		return nil
	})
	if err == nil && i.Failure != nil {
		err = &fault.Error{Kind: fault.Declined, Code: i.Failure.Code, DeclineCode: i.Failure.DeclineCode, Proven: true}
	}
	return i, err
}

// change is an operation on an intent that is there.
func (p *provider) change(ctx context.Context, a payment.Action, ref string, effect func(*payment.Intent)) (i payment.Intent, err error) {
	err = p.do(ctx, a, func() error {
		stored, ok := p.intents[ref]
		if !ok {
			return fault.New(fault.NotFound, "no_such_intent", "")
		}
		effect(stored)
		i = *stored
		return nil
	})
	return i, err
}

func (p *provider) Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error) {
	return p.change(ctx, payment.Confirm, r.Reference, func(i *payment.Intent) {
		i.Status, i.AmountCaptured = payment.Succeeded, i.Amount
	})
}

func (p *provider) Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error) {
	return p.change(ctx, payment.Capture, r.Reference, func(i *payment.Intent) {
		i.Objects = append(slices.Clip(i.Objects), payment.Object{Kind: "capture", Reference: "cap_" + i.Reference})
		if i.AmountCapturable = 0; !p.Capabilities().Synchronous(payment.Capture) {
			i.Status = payment.Processing
			return
		}
		i.Status, i.AmountCaptured = payment.Succeeded, i.Amount
		if r.Amount != 0 {
			i.AmountCaptured = r.Amount
		}
	})
}

func (p *provider) Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error) {
	if i, err := p.Retrieve(ctx, r.Reference); err == nil && i.Status == payment.Succeeded {
		return payment.Intent{}, fault.New(fault.Conflict, "unexpected_state", "")
	}
	return p.change(ctx, payment.Cancel, r.Reference, func(i *payment.Intent) { i.Status, i.AmountCapturable = payment.Canceled, 0 })
}

func (p *provider) Refund(ctx context.Context, r payment.RefundRequest) (refund payment.ProviderRefund, err error) {
	_, err = p.change(ctx, payment.Refund, r.Reference, func(i *payment.Intent) {
		if known, ok := p.refunds[r.Key]; ok {
			refund = known
			return
		}
		refund = payment.ProviderRefund{
			Reference: fmt.Sprintf("re_%d", len(p.refunds)+1), Intent: r.Reference, Amount: r.Amount,
			Status: "succeeded", Metadata: maps.Clone(r.Metadata),
		}
		if p.refundsBegin != "" {
			refund.Status = p.refundsBegin
		}
		p.refunds[r.Key] = refund
		i.AmountRefunded += r.Amount
	})
	return refund, err
}

func (p *provider) Retrieve(_ context.Context, ref string) (payment.Intent, error) {
	p.mu.Lock()
	looked := p.looked
	p.mu.Unlock()
	if looked != nil {
		looked()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blind != nil {
		return payment.Intent{}, p.blind
	}
	if i, ok := p.intents[ref]; ok {
		return *i, nil
	}
	return payment.Intent{}, fault.New(fault.NotFound, "no_such_intent", "")
}

func (p *provider) Refunds(_ context.Context, ref string) ([]payment.ProviderRefund, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blind != nil {
		return nil, p.blind
	}
	var list []payment.ProviderRefund
	for _, r := range p.refunds {
		if r.Intent == ref {
			list = append(list, r)
		}
	}
	return list, nil
}

func (p *provider) Disputes(context.Context, string) ([]payment.Dispute, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.disputes, p.blind
}

func (p *provider) List(_ context.Context, r payment.ListRequest) (payment.IntentPage, error) {
	can := p.Capabilities().Lookup
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Operation != "" && can.Operation && p.blind == nil {
		return p.madeUnder(r.Operation), nil
	}
	if !can.List {
		return payment.IntentPage{}, fault.New(fault.Unsupported, "list_unsupported", "")
	}
	p.pages++
	if p.blind != nil {
		return payment.IntentPage{}, p.blind
	}
	if p.flaky > 0 && p.pages%p.flaky == 0 {
		return payment.IntentPage{}, fault.New(fault.Unavailable, "scripted", "")
	}
	if len(p.listed) != len(p.intents) {
		p.listed = slices.SortedFunc(maps.Values(p.intents), func(a, b *payment.Intent) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.Reference, a.Reference))
		})
	}
	all := p.listed
	if at := slices.IndexFunc(all, func(i *payment.Intent) bool { return i.Reference == r.Cursor }); at >= 0 {
		all = all[at+1:]
	}
	page := payment.IntentPage{Now: p.now()}
	for _, i := range all {
		switch {
		case i.CreatedAt.Before(r.From) || !r.To.IsZero() && i.CreatedAt.After(r.To):
		case len(page.Intents) == r.Limit:
			page.Next = page.Intents[r.Limit-1].Reference
			return page, nil
		default:
			page.Intents = append(page.Intents, *i)
		}
	}
	return page, nil
}

// madeUnder is what was made under a key. p.mu is held.
func (p *provider) madeUnder(key string) payment.IntentPage {
	page := payment.IntentPage{Now: p.now()}
	for _, i := range p.intents {
		if i.Metadata[payment.MetaOperation] == key {
			page.Intents = append(page.Intents, *i)
		}
	}
	return page
}

// copyIntent makes another intent with all that one has, except its reference.
func (p *provider) copyIntent(reference, other string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := *p.intents[reference]
	i.Reference = other
	p.intents[other] = &i
}

// turn changes an intent, as the provider does by itself.
func (p *provider) turn(reference string, into func(*payment.Intent)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	into(p.intents[reference])
}

// captured is how often buyers were charged.
func (p *provider) captured() (charges int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range p.intents {
		if i.AmountCaptured > 0 {
			charges++
		}
	}
	return charges
}

// forgets has a provider forget the keys by which it was asked.
func (p *provider) forgets() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.byKey)
	for key, refund := range p.refunds {
		delete(p.refunds, key)
		p.refunds["forgotten "+refund.Reference] = refund
	}
}

// givenBack is the sum of all refunds.
func (p *provider) givenBack() (sum int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range p.intents {
		sum += i.AmountRefunded
	}
	return sum
}

// Payment lets a test give the intent itself as an event.
func (p *provider) Payment(e webhook.Event) (payment.Intent, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Type == "object" {
		return payment.Intent{Object: e.ID}, true, nil
	}
	i, ok := p.intents[e.ID]
	if !ok {
		return payment.Intent{}, false, nil
	}
	news := *i
	if e.Type != "" {
		news.Status = payment.Status(e.Type)
	}
	return news, true, nil
}
