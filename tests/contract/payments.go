// Package contract contains one test suite for each port. Every adapter of a port, and every
// decorator of it, must pass the port's suite.
package contract

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// PaymentFault is a failure between a gateway and its provider.
type PaymentFault string

// The faults that a harness can cause. "Done" means that the provider has executed the request.
const (
	FaultRefused       PaymentFault = "refused"        // the connection is refused
	FaultTimeoutBefore PaymentFault = "timeout_before" // no answer, nothing done
	FaultTimeoutAfter  PaymentFault = "timeout_after"  // no answer, done
	FaultServerError   PaymentFault = "server_error"   // 500, done
	FaultReset         PaymentFault = "reset"          // connection reset, done
	FaultMalformed     PaymentFault = "malformed"      // 200 with a broken body, done
	FaultHang          PaymentFault = "hang"           // done, then no answer until the caller gives up
	FaultRateLimited   PaymentFault = "rate_limited"   // 429, nothing done
	FaultUnauthorized  PaymentFault = "unauthorized"   // 401, nothing done
	FaultForbidden     PaymentFault = "forbidden"      // 403 with the provider's own body, nothing done
	FaultPage          PaymentFault = "page"           // 403 with a proxy's page, done
)

// PaymentsHarness is a gateway with its own account at a provider whose state the suite can read.
type PaymentsHarness struct {
	Gateway ports.PaymentGateway
	// Account is the provider's id of the account.
	Account string
	// Book returns the provider's own record of what it did, read without the gateway.
	Book func(t *testing.T) []payment.BookEntry
	// Fail makes the next request of this action fail once, and returns the payment method that the
	// suite must use for that intent.
	Fail func(t *testing.T, a payment.Action, f PaymentFault) (paymentMethod string)
	// Secrets are the account's credentials.
	Secrets []string
	// CountsAsStripe means that the amounts in the book are in Stripe's units, not in the minor
	// units of ISO 4217.
	CountsAsStripe bool
	// Log returns everything the gateway has logged.
	Log func() string
}

// Payments runs the suite for ports.PaymentGateway. The numbers are those of the payments
// reference. If a case needs a capability that the gateway does not declare, the suite checks
// instead that its use is refused with Unsupported.
func Payments(t *testing.T, open func(t *testing.T) PaymentsHarness) {
	for _, cases := range [][]paymentCase{
		paymentLifecycle, paymentAmounts, paymentRefusals, paymentRefunds, paymentReads, paymentKeys, paymentBodies, paymentOutcomes,
	} {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				p := &paymentTest{T: t, PaymentsHarness: open(t)}
				if c.needs.declared != nil && !c.needs.declared(p.Gateway.Capabilities()) {
					p.unsupported(c.needs)
					return
				}
				c.run(p)
			})
		}
	}
}

type paymentCase struct {
	name  string
	needs paymentCapability
	run   func(p *paymentTest)
}

// paymentCapability is a capability that a gateway may lack. The zero value requires nothing.
type paymentCapability struct {
	declared func(payment.Capabilities) bool
	// use makes a call that only a gateway with the capability accepts.
	use func(p *paymentTest) error
}

var (
	manualCapture = paymentCapability{
		declared: func(c payment.Capabilities) bool { return c.ManualCapture },
		use: func(p *paymentTest) error {
			r := p.request("pm_card_visa")
			r.CaptureMethod = payment.CaptureManual
			_, err := p.Gateway.Create(p.Context(), r)
			return err
		},
	}
	partialCapture = paymentCapability{
		declared: func(c payment.Capabilities) bool { return c.ManualCapture && c.PartialCapture },
		use: func(p *paymentTest) error {
			if !p.Gateway.Capabilities().ManualCapture {
				return manualCapture.use(p)
			}
			return p.captureErr(p.authorise().Reference, 1)
		},
	}
	refunds = paymentCapability{
		declared: func(c payment.Capabilities) bool { return c.Refunds },
		use: func(p *paymentTest) error {
			i := p.paid()
			return p.refundErr(i.Reference, i.Amount)
		},
	}
	partialRefunds = paymentCapability{
		declared: func(c payment.Capabilities) bool { return c.Refunds && c.PartialRefunds },
		use: func(p *paymentTest) error {
			return p.refundErr(p.paid().Reference, 1)
		},
	}
	listing = paymentCapability{
		declared: func(c payment.Capabilities) bool { return c.List },
		use: func(p *paymentTest) error {
			_, err := p.Gateway.List(p.Context(), payment.ListRequest{Limit: 1})
			return err
		},
	}
)

// paymentTest is one running case. Its helpers end the case if a step fails that the rest of the
// case depends on.
type paymentTest struct {
	*testing.T
	PaymentsHarness
}

func (p *paymentTest) unsupported(c paymentCapability) {
	p.wantErr(c.use(p), fault.Unsupported, "")
}

// paymentAmount is the amount of the cases' payments, in minor units of usd.
const paymentAmount = 2000

func paymentKey() string { return "contract-" + rand.Text() }

// request returns a request to create and confirm a payment of paymentAmount, with its own
// idempotency key.
func (p *paymentTest) request(method string) payment.CreateRequest {
	return payment.CreateRequest{
		Key: paymentKey(), Amount: paymentAmount, Currency: "usd",
		PaymentMethod: method, Confirm: true,
	}
}

func (p *paymentTest) create(r payment.CreateRequest) payment.Intent {
	p.Helper()
	i, err := p.Gateway.Create(p.Context(), r)
	if err != nil {
		p.Fatalf("Create: %v", err)
	}
	return i
}

// paid creates an intent that has succeeded.
func (p *paymentTest) paid() payment.Intent {
	p.Helper()
	i := p.create(p.request("pm_card_visa"))
	p.wantStatus(i, payment.Succeeded)
	return i
}

// authorise creates an intent that awaits its capture.
func (p *paymentTest) authorise() payment.Intent {
	p.Helper()
	return p.authoriseWith("pm_card_visa")
}

func (p *paymentTest) authoriseWith(method string) payment.Intent {
	p.Helper()
	r := p.request(method)
	r.CaptureMethod = payment.CaptureManual
	i := p.create(r)
	p.wantStatus(i, payment.RequiresCapture)
	return i
}

func (p *paymentTest) captureErr(reference string, amount int64) error {
	_, err := p.Gateway.Capture(p.Context(), payment.CaptureRequest{
		Key: paymentKey(), Reference: reference, Amount: amount, Currency: "usd",
	})
	return err
}

func (p *paymentTest) refundErr(reference string, amount int64) error {
	_, err := p.Gateway.Refund(p.Context(), payment.RefundRequest{
		Key: paymentKey(), Reference: reference, Amount: amount, Currency: "usd",
	})
	return err
}

func (p *paymentTest) retrieve(reference string) payment.Intent {
	p.Helper()
	i, err := p.Gateway.Retrieve(p.Context(), reference)
	if err != nil {
		p.Fatalf("Retrieve: %v", err)
	}
	return i
}

// entry returns the only entry of the book.
func (p *paymentTest) entry() payment.BookEntry {
	p.Helper()
	book := p.Book(p.T)
	if len(book) != 1 {
		p.Fatalf("the provider's book has %d entries, want 1: %+v", len(book), book)
	}
	return book[0]
}

// charged returns how much the provider has captured, without deducting refunds.
func (p *paymentTest) charged() int64 {
	p.Helper()
	var sum int64
	for _, e := range p.Book(p.T) {
		sum += e.Captured
	}
	return sum
}

func (p *paymentTest) wantCharged(want int64) {
	p.Helper()
	if got := p.charged(); got != want {
		p.Errorf("the provider has taken %d, want %d", got, want)
	}
}

func (p *paymentTest) wantErr(err error, kind fault.Kind, code string) {
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

func (p *paymentTest) wantStatus(i payment.Intent, want payment.Status) {
	p.Helper()
	if i.Status != want {
		p.Fatalf("status %q, want %q", i.Status, want)
	}
}

// wantAmounts compares the capturable, captured and refunded amounts.
func (p *paymentTest) wantAmounts(i payment.Intent, capturable, captured, refunded int64) {
	p.Helper()
	if i.AmountCapturable != capturable || i.AmountCaptured != captured || i.AmountRefunded != refunded {
		p.Errorf("capturable %d, captured %d, refunded %d; want %d, %d, %d",
			i.AmountCapturable, i.AmountCaptured, i.AmountRefunded, capturable, captured, refunded)
	}
}

// find lists all intents up to tomorrow and returns those whose metadata has the operation.
func (p *paymentTest) find(operation string) []payment.Intent {
	p.Helper()
	var found []payment.Intent
	for cursor := ""; ; {
		page, err := p.Gateway.List(p.Context(), payment.ListRequest{
			From: time.Unix(0, 0), To: time.Now().Add(24 * time.Hour), Cursor: cursor, Limit: 100,
		})
		if err != nil {
			p.Fatalf("List: %v", err)
		}
		for _, i := range page.Intents {
			if i.Metadata[payment.MetaOperation] == operation {
				found = append(found, i)
			}
		}
		if cursor = page.Next; cursor == "" {
			return found
		}
	}
}

// poll waits until the condition holds, and ends the case if ctx ends first.
func (p *paymentTest) poll(ctx context.Context, condition func() bool) {
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
