package stripepay

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	signed "github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/webhook"
	"patchbay/ports"
)

const (
	header = "Stripe-Signature"
	// Tolerance is the largest difference between the time of a signature and ours, in both
	// directions. Stripe's libraries check only the past; a signature from the future could
	// be replayed for that much longer.
	Tolerance = 5 * time.Minute
)

// Hook verifies webhooks in Stripe's format, for every account that sends them, and reads
// the payments in them.
//
// Source: docs.stripe.com/webhooks (signatures).
type Hook struct {
	accounts []provider.Account
	clock    ports.Clock
}

// NewHook returns a Hook. It returns Invalid if a secret is empty, or shared by two accounts.
func NewHook(clock ports.Clock, accounts ...provider.Account) (provider.PaymentHook, error) {
	return &Hook{accounts: accounts, clock: clock}, provider.Distinct(accounts...)
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error { return h.fresh(get(header)) }

// Verify implements ports.Verifier.
func (h *Hook) Verify(_ context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	signature := get(header)
	if err := h.fresh(signature); err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, secret := range a.Secrets {
			if signed.ValidatePayloadIgnoringTolerance(body, signature, secret) == nil {
				e, err := parseEvent(a.Provider, body)
				return []webhook.Event{e}, err
			}
		}
	}
	return nil, provider.BadSignature("no signature matches")
}

// fresh checks the time of a signature, which the library checks in one direction only.
func (h *Hook) fresh(signature string) error {
	at, ok := timestamp(signature)
	if !ok {
		return provider.BadSignature("the signature header is missing or has no time")
	}
	if d := h.clock.Now().Sub(at); d > Tolerance || d < -Tolerance {
		return provider.BadSignature("the signature's time is too far from ours")
	}
	return nil
}

// timestamp reads t=. It refuses a header with two, because it is unclear which one was
// signed.
func timestamp(signature string) (at time.Time, ok bool) {
	for part := range strings.SplitSeq(signature, ",") {
		value, found := strings.CutPrefix(part, "t=")
		if !found {
			continue
		}
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || ok {
			return time.Time{}, false
		}
		at, ok = time.Unix(seconds, 0), true
	}
	return at, ok
}

// parse reads the envelope of an event.
func parseEvent(provider string, body []byte) (webhook.Event, error) {
	var e struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Created int64  `json:"created"`
		Data    struct {
			Object json.RawMessage `json:"object"`
		} `json:"data"`
		// Before 2017-05-25 this was only the request's id.
		Request json.RawMessage `json:"request"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.ID == "" || e.Type == "" {
		return webhook.Event{}, fault.New(fault.Invalid, "invalid_payload", "the body is not an event")
	}
	var request struct {
		Key string `json:"idempotency_key"`
	}
	_ = json.Unmarshal(e.Request, &request) // in another form it has no key
	return webhook.Event{
		Provider: provider, ID: e.ID, Type: e.Type, Created: time.Unix(e.Created, 0).UTC(), Object: e.Data.Object, Key: request.Key,
	}, nil
}

// intentObject is the part of Stripe's PaymentIntent that is used here.
type intentObject struct {
	ID               string            `json:"id"`
	Status           payment.Status    `json:"status"`
	Amount           int64             `json:"amount"`
	AmountReceived   int64             `json:"amount_received"`
	AmountCapturable int64             `json:"amount_capturable"`
	Currency         money.Currency    `json:"currency"`
	ClientSecret     string            `json:"client_secret"`
	Metadata         map[string]string `json:"metadata"`
	LastPaymentError *struct {
		Code        string `json:"code"`
		DeclineCode string `json:"decline_code"`
		Message     string `json:"message"`
	} `json:"last_payment_error"`
	NextAction *struct {
		Type          string `json:"type"`
		RedirectToURL struct {
			URL string `json:"url"`
		} `json:"redirect_to_url"`
	} `json:"next_action"`
}

// chargeObject is the part of Stripe's Charge that is used here.
type chargeObject struct {
	PaymentIntent  string            `json:"payment_intent"`
	Amount         int64             `json:"amount"`
	AmountCaptured int64             `json:"amount_captured"`
	AmountRefunded int64             `json:"amount_refunded"`
	Currency       money.Currency    `json:"currency"`
	Metadata       map[string]string `json:"metadata"`
}

// Payment implements ports.PaymentReader for the events payment_intent.*, charge.refunded,
// and those of refunds and disputes. Events about a charge without an intent are not ours.
func (h *Hook) Payment(e webhook.Event) (payment.Intent, bool, error) {
	i, ok, err := read(e)
	i.Key = e.Key
	return i, ok, err
}

func read(e webhook.Event) (payment.Intent, bool, error) {
	// ok is false if the object is not valid.
	var o interface {
		intent() (i payment.Intent, ok bool)
	}
	switch {
	case strings.HasPrefix(e.Type, "payment_intent."):
		o = new(intentObject)
	case e.Type == "charge.refunded":
		o = new(chargeObject)
	case strings.HasPrefix(e.Type, "refund."), strings.HasPrefix(e.Type, "charge.refund."):
		o = new(refundObject)
	case strings.HasPrefix(e.Type, "charge.dispute."):
		o = new(disputeObject)
	default:
		return payment.Intent{}, false, nil
	}
	if err := json.Unmarshal(e.Object, o); err == nil {
		if i, ok := o.intent(); ok {
			return i, i.Reference != "", nil
		}
	}
	return payment.Intent{}, false, fault.New(fault.Invalid, "invalid_payload", "the object of a "+e.Type+" event cannot be read")
}

// intent converts the object.
func (o *intentObject) intent() (i payment.Intent, ok bool) {
	if o.ID == "" || !toMinor(o.Currency, &o.Amount, &o.AmountCapturable, &o.AmountReceived) {
		return payment.Intent{}, false
	}
	i = payment.Intent{
		Reference: o.ID, Status: o.Status, Amount: o.Amount, Currency: o.Currency,
		AmountCapturable: o.AmountCapturable, AmountCaptured: o.AmountReceived,
		ClientSecret: o.ClientSecret, Metadata: o.Metadata,
	}
	if f := o.LastPaymentError; f != nil {
		i.Failure = &payment.Failure{Code: f.Code, DeclineCode: f.DeclineCode, Message: f.Message}
	}
	if n := o.NextAction; n != nil {
		i.NextAction = &payment.NextAction{Type: n.Type, URL: n.RedirectToURL.URL}
	}
	return i, true
}

// intent returns what a charge says about its intent. A charge may have been created
// without one.
func (o *chargeObject) intent() (i payment.Intent, ok bool) {
	if o.PaymentIntent == "" {
		return payment.Intent{}, true
	}
	if !toMinor(o.Currency, &o.Amount, &o.AmountCaptured, &o.AmountRefunded) {
		return payment.Intent{}, false
	}
	return payment.Intent{
		Reference: o.PaymentIntent, Amount: o.Amount, Currency: o.Currency,
		AmountCaptured: o.AmountCaptured,
		AmountRefunded: payment.RefundedToBuyer(o.Amount, o.AmountCaptured, o.AmountRefunded), Metadata: o.Metadata,
	}, true
}
