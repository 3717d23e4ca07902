package stripepay

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/form"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// expandCharge is expanded in every intent, because it shows the refunded amount.
var expandCharge = stripe.StringSlice([]string{"latest_charge"})

// expandRefundCharge is expanded in every refund, because it shows the amount refunded by then.
var expandRefundCharge = stripe.StringSlice([]string{"charge"})

// Compose implements ports.PaymentGateway. It returns the form that is sent to Stripe,
// without the values in the path. It returns Invalid for an amount that Stripe cannot
// express.
func (g *Gateway) Compose(change payment.Change) (string, error) {
	var params any
	var err error
	switch r := change.(type) {
	case payment.CreateRequest:
		params, err = createParams(r)
	case payment.ConfirmRequest:
		params = &stripe.PaymentIntentConfirmParams{
			PaymentMethod: optional(r.PaymentMethod), ReturnURL: optional(r.ReturnURL), Expand: expandCharge,
		}
	case payment.CaptureRequest:
		p := &stripe.PaymentIntentCaptureParams{Expand: expandCharge}
		if r.Amount != 0 {
			p.AmountToCapture, err = toStripe(r.Amount, r.Currency)
		}
		params = p
	case payment.CancelRequest:
		params = &stripe.PaymentIntentCancelParams{Expand: expandCharge}
	case payment.RefundRequest:
		p := &stripe.RefundParams{PaymentIntent: stripe.String(r.Reference), Metadata: r.Metadata, Expand: expandRefundCharge}
		p.Amount, err = toStripe(r.Amount, r.Currency)
		params = p
	default:
		return "", fault.Wrap(fault.Internal, "stripepay.compose", fmt.Errorf("a request of type %T", change))
	}
	if err != nil {
		return "", err
	}
	values := new(form.Values)
	form.AppendTo(values, params)
	return values.Encode(), nil
}

func createParams(r payment.CreateRequest) (*stripe.PaymentIntentParams, error) {
	amount, err := toStripe(r.Amount, r.Currency)
	if err != nil {
		return nil, err
	}
	p := &stripe.PaymentIntentParams{
		Amount: amount, Currency: stripe.String(string(r.Currency)),
		Customer: optional(r.Customer), PaymentMethod: optional(r.PaymentMethod), Description: optional(r.Description),
		CaptureMethod: optional(string(r.CaptureMethod)), Metadata: r.Metadata, Expand: expandCharge,
		AutomaticPaymentMethods: &stripe.PaymentIntentAutomaticPaymentMethodsParams{Enabled: stripe.Bool(true)},
	}
	if r.Confirm {
		p.Confirm, p.ReturnURL = stripe.Bool(true), optional(r.ReturnURL)
	}
	// Without a return URL, Stripe refuses a server-side confirm that might redirect the
	// buyer: since 2023-08-16 the request must rule that out. A page in the buyer's browser
	// supplies a return URL of its own.
	if !r.MayRedirect() {
		p.AutomaticPaymentMethods.AllowRedirects = stripe.String("never")
	}
	return p, nil
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// prepared is a request that changes something, ready to be sent.
type prepared struct {
	call
	key    string
	values *form.Values
}

// prepare builds a call's request from its stored body, or from the change if there is none
// yet. Without a key the library would generate a new one for each attempt.
func (c call) prepare(key, body string, change payment.Change) (prepared, error) {
	if key == "" || len(key) > 255 {
		return prepared{}, c.fault(fault.Invalid, "idempotency_key_invalid", "a key has 1 to 255 characters", nil)
	}
	if body == "" {
		composed, err := c.g.Compose(change)
		if err != nil {
			return prepared{}, err
		}
		body = composed
	}
	values, err := parse(body)
	if err != nil {
		return prepared{}, c.fault(fault.Invalid, "body_invalid", "the request, as it was kept, cannot be read; nothing was sent", nil)
	}
	return prepared{c, key, values}, nil
}

// parse parses a form and keeps the order of its parameters, so that the library encodes
// the same form again.
func parse(body string) (*form.Values, error) {
	values := new(form.Values)
	for parameter := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, err
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, err
		}
		values.Add(name, value)
	}
	return values, nil
}

// post sends the request, and decodes the response into answer.
func (p prepared) post(path string, answer stripe.LastResponseSetter) error {
	return p.g.backend.CallRaw(http.MethodPost, path, p.g.secretKey, p.values,
		&stripe.Params{Context: p.ctx, IdempotencyKey: stripe.String(p.key)}, answer)
}
