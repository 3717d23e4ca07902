// Package paymenttest is the test suite for ports.PaymentGateway. Every adapter for a payment
// provider, and every decorator of one, must pass it.
//
// An adapter calls Run from its TestContract, with a function that opens an account at a provider
// whose book the suite can read and whose faults it can cause. What is the provider's own comes
// from there: which payment method pays, which is declined, how the buyer approves. Each case has an
// account of its own. The files hold the cases:
//
//   - lifecycle.go: payments that are made, approved, authorized, captured and canceled;
//   - later.go: actions that the provider accepts first and ends afterwards;
//   - amounts.go: amounts are in minor units of ISO 4217, whatever the provider counts in;
//   - refusals.go: declines, and requests that the provider refuses;
//   - refunds.go: refunds and disputes;
//   - reads.go: reading an intent, and finding one;
//   - keys.go: repeats under an idempotency key;
//   - bodies.go: composing a request, and repeating it byte for byte;
//   - outcomes.go: which error follows from which failure, and that no secret is in it;
//   - declared.go: limits that the gateway declares.
//
// A case that needs a capability which the gateway does not declare checks instead that its use is
// refused with Unsupported.
package paymenttest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/ports"
	kit "patchbay/tests/contract/internal/suite"
)

// Fault is a failure between a gateway and its provider.
type Fault string

// The faults that a harness can cause. "Done" means that the provider has executed the request.
const (
	FaultRefused       Fault = "refused"        // the connection is refused
	FaultTimeoutBefore Fault = "timeout_before" // no answer, nothing done
	FaultTimeoutAfter  Fault = "timeout_after"  // no answer, done
	FaultServerError   Fault = "server_error"   // 500, done
	FaultReset         Fault = "reset"          // connection reset, done
	FaultMalformed     Fault = "malformed"      // 200 with a broken body, done
	FaultHang          Fault = "hang"           // done, then no answer until the caller gives up
	FaultRateLimited   Fault = "rate_limited"   // 429, nothing done
	FaultUnauthorized  Fault = "unauthorized"   // 401, nothing done
	FaultForbidden     Fault = "forbidden"      // 403 with the provider's own body, nothing done
	FaultPage          Fault = "page"           // 403 with a proxy's page, done
)

// Harness is a gateway with its own account at a provider whose state the suite can read.
type Harness struct {
	Gateway ports.PaymentGateway
	// Account is the provider's id of the account.
	Account string
	// Book returns the provider's own record of what it did, read without the gateway.
	Book func(t *testing.T) []payment.BookEntry
	// Settle ends what the provider has accepted and not ended yet. It is nil for a provider that
	// ends each action before it answers.
	Settle func(t *testing.T)
	// Approve approves an intent as the buyer does on the provider's page. It is nil for a provider
	// whose page nobody can open in a test.
	Approve func(t *testing.T, reference string)
	// Fail makes the next request of this action fail once, and returns the payment method that the
	// suite must use for that intent.
	Fail func(t *testing.T, a payment.Action, f Fault) (paymentMethod string)
	// Secrets are the account's credentials.
	Secrets []string
	// Counted returns an amount in the units of the provider's book. It is nil if those are the
	// minor units of ISO 4217.
	Counted func(amount int64, c money.Currency) int64
	// Log returns everything the gateway has logged.
	Log func() string
}

// Methods are payment methods of a provider.
type Methods struct {
	Pays       string // pays at once
	NeedsBuyer string // waits for the buyer
	Declines   []Decline
}

// Decline is a payment method that is declined. If DeclineCode is empty, the provider need not
// give one.
type Decline struct{ Name, Method, Code, DeclineCode string }

// Run runs the suite.
func Run(t *testing.T, methods Methods, open func(t *testing.T) Harness) {
	for _, group := range cases(methods) {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("the contract demands: %s", c.doc)
					}
				})
				p := &suite{T: t, Harness: open(t), Methods: methods}
				if c.needs.declared != nil && !c.needs.declared(p.Gateway.Capabilities()) {
					p.unsupported(c.needs)
					return
				}
				kit.Contain(t, func() { c.run(p) })
			})
		}
	}
}

func cases(methods Methods) [][]testCase {
	return [][]testCase{
		lifecycleCases, laterCases, amountCases, declineCases(methods), refusalCases, refundCases, readCases, keyCases, bodyCases,
		outcomeCases, declaredCases,
	}
}

type testCase struct {
	name  string
	doc   string // one sentence that says what must hold
	needs capability
	run   func(p *suite)
}

// capability is a capability that a gateway may lack. The zero value requires nothing.
type capability struct {
	declared func(payment.Capabilities) bool
	// use makes a call that only a gateway with the capability accepts.
	use func(p *suite) error
}

var (
	manualCapture = capability{
		declared: func(c payment.Capabilities) bool { return c.ManualCapture },
		use: func(p *suite) error {
			r := p.request(p.Pays)
			r.CaptureMethod = payment.CaptureManual
			_, err := p.Gateway.Create(p.Context(), r)
			return err
		},
	}
	partialCapture = capability{
		declared: func(c payment.Capabilities) bool { return c.ManualCapture && c.PartialCapture },
		use: func(p *suite) error {
			if !p.Gateway.Capabilities().ManualCapture {
				return manualCapture.use(p)
			}
			return p.captureErr(p.authorize().Reference, 1)
		},
	}
	refunds = capability{
		declared: func(c payment.Capabilities) bool { return c.Refunds },
		use: func(p *suite) error {
			i := p.paid()
			return p.refundErr(i.Reference, i.Amount)
		},
	}
	partialRefunds = capability{
		declared: func(c payment.Capabilities) bool { return c.Refunds && c.PartialRefunds },
		use: func(p *suite) error {
			return p.refundErr(p.paid().Reference, 1)
		},
	}
	inBrowser = capability{
		declared: func(c payment.Capabilities) bool { return c.InBrowser },
		use: func(p *suite) error {
			r := p.request("")
			r.Confirm, r.Confirmation = false, payment.ConfirmClient
			_, err := p.Gateway.Create(p.Context(), r)
			return err
		},
	}
	listing = capability{
		declared: func(c payment.Capabilities) bool { return c.Lookup.List },
		use: func(p *suite) error {
			_, err := p.Gateway.List(p.Context(), payment.ListRequest{Limit: 1})
			return err
		},
	}
	byOperation = capability{
		declared: func(c payment.Capabilities) bool { return c.Lookup.Operation },
		use: func(p *suite) error {
			_, err := p.Gateway.List(p.Context(), payment.ListRequest{Operation: "op_lookup", Limit: 1})
			return err
		},
	}
	lookup = capability{
		declared: func(c payment.Capabilities) bool { return c.Lookup.List || c.Lookup.Operation },
		use:      listing.use,
	}
)

// suite is one running case. Its helpers end the case if a step fails that the rest of the
// case depends on.
type suite struct {
	*testing.T
	Harness
	Methods
}

func (p *suite) unsupported(c capability) {
	p.wantErr(c.use(p), fault.Unsupported, "")
}

// usual is the amount of the cases' payments, in minor units of usd.
const usual = 2000

func newKey() string { return "contract-" + rand.Text() }

// request returns a request to create and confirm a payment of the usual amount, with its own
// idempotency key.
func (p *suite) request(method string) payment.CreateRequest {
	return payment.CreateRequest{
		Key: newKey(), Amount: usual, Currency: "usd",
		PaymentMethod: method, Confirm: true,
	}
}

// create makes a create that must succeed, and returns the intent after all has ended.
func (p *suite) create(r payment.CreateRequest) payment.Intent {
	p.Helper()
	i, err := p.Gateway.Create(p.Context(), r)
	if err != nil {
		p.Fatalf("Create: %v", err)
	}
	return p.ended(payment.Create, i)
}

// ended returns an intent after the action that returned it has ended. An action that is not
// declared to end later has ended.
func (p *suite) ended(a payment.Action, i payment.Intent) payment.Intent {
	p.Helper()
	if p.Gateway.Capabilities().Synchronous(a) || i.Status != payment.Processing {
		return i
	}
	p.settle()
	return p.retrieve(i.Reference)
}

// settle ends what the provider has accepted and not ended yet.
func (p *suite) settle() {
	p.Helper()
	if p.Settle != nil {
		p.Settle(p.T)
	}
}

// paid creates an intent that has succeeded.
func (p *suite) paid() payment.Intent {
	p.Helper()
	i := p.create(p.request(p.Pays))
	p.wantStatus(i, payment.Succeeded)
	return i
}

// authorize creates an intent that awaits its capture.
func (p *suite) authorize() payment.Intent {
	p.Helper()
	return p.authorizeWith(p.Pays)
}

func (p *suite) authorizeWith(method string) payment.Intent {
	p.Helper()
	r := p.request(method)
	r.CaptureMethod = payment.CaptureManual
	i := p.create(r)
	p.wantStatus(i, payment.RequiresCapture)
	return i
}

func (p *suite) captureErr(reference string, amount int64) error {
	_, err := p.Gateway.Capture(p.Context(), payment.CaptureRequest{
		Key: newKey(), Reference: reference, Amount: amount, Currency: "usd",
	})
	return err
}

func (p *suite) refundErr(reference string, amount int64) error {
	_, err := p.Gateway.Refund(p.Context(), payment.RefundRequest{
		Key: newKey(), Reference: reference, Amount: amount, Currency: "usd",
	})
	return err
}

func (p *suite) retrieve(reference string) payment.Intent {
	p.Helper()
	i, err := p.Gateway.Retrieve(p.Context(), reference)
	if err != nil {
		p.Fatalf("Retrieve: %v", err)
	}
	return i
}

// entry returns the only entry of the book.
func (p *suite) entry() payment.BookEntry {
	p.Helper()
	book := p.Book(p.T)
	if len(book) != 1 {
		p.Fatalf("the provider's book has %d entries, want 1: %+v", len(book), book)
	}
	return book[0]
}

// charged returns how much the provider has captured, without deducting refunds.
func (p *suite) charged() int64 {
	p.Helper()
	p.settle()
	var sum int64
	for _, e := range p.Book(p.T) {
		sum += e.Captured
	}
	return sum
}

func (p *suite) wantCharged(want int64) {
	p.Helper()
	if got := p.charged(); got != want {
		p.Errorf("the provider has taken %d, want %d", got, want)
	}
}

func (p *suite) wantErr(err error, kind fault.Kind, code string) {
	p.Helper()
	switch {
	case err == nil:
		p.Fatalf("no error, want %v", kind)
	case fault.KindOf(err) != kind:
		p.Fatalf("error %v, want kind %v", err, kind)
	case code != "" && fault.From(err).Code != code:
		p.Errorf("error %v, want code %q", err, code)
	}
}

func (p *suite) wantStatus(i payment.Intent, want payment.Status) {
	p.Helper()
	if i.Status != want {
		p.Fatalf("status %q, want %q", i.Status, want)
	}
}

// wantAmounts compares the capturable, captured and refunded amounts.
func (p *suite) wantAmounts(i payment.Intent, capturable, captured, refunded int64) {
	p.Helper()
	if i.AmountCapturable != capturable || i.AmountCaptured != captured || i.AmountRefunded != refunded {
		p.Errorf("capturable %d, captured %d, refunded %d; want %d, %d, %d",
			i.AmountCapturable, i.AmountCaptured, i.AmountRefunded, capturable, captured, refunded)
	}
}

// find returns the intents whose metadata has the operation. It lists all intents up to tomorrow,
// or has the provider look for the operation, after all that was made before must be shown.
func (p *suite) find(operation string) []payment.Intent {
	p.Helper()
	can := p.Gateway.Capabilities().Lookup
	<-time.After(can.Lag)
	r := payment.ListRequest{From: time.Unix(0, 0), To: time.Now().Add(24 * time.Hour), Limit: 100}
	if !can.List {
		r = payment.ListRequest{Operation: operation, Limit: 100}
	}
	var found []payment.Intent
	for {
		page, err := p.Gateway.List(p.Context(), r)
		if err != nil {
			p.Fatalf("List: %v", err)
		}
		for _, i := range page.Intents {
			if i.Metadata[payment.MetaOperation] == operation {
				found = append(found, i)
			}
		}
		if r.Cursor = page.Next; page.Next == "" {
			return found
		}
	}
}

// poll waits until the condition holds, and ends the case if ctx ends first.
func (p *suite) poll(ctx context.Context, condition func() bool) {
	p.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			p.Fatalf("the condition never held: %v", ctx.Err())
		case <-ticker.C:
		}
	}
}

// operationMetadata returns the metadata that Patchbay sends with every create.
func operationMetadata(operation string) map[string]string {
	return map[string]string{payment.MetaPayment: "pay_contract", payment.MetaOperation: operation}
}
