package orderpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/ports"
)

var _ ports.PaymentGateway = (*Gateway)(nil)

// GatewayOptions configures a Gateway.
type GatewayOptions struct {
	Name, Key string
	Lag       time.Duration // of look-ups, which the provider documents
	HTTP      httpclient.Options
}

// Gateway is the adapter for an account.
type Gateway struct {
	o    GatewayOptions
	http *http.Client
}

// NewGateway returns a Gateway. It makes no call.
func NewGateway(o GatewayOptions) (*Gateway, error) {
	hc, err := httpclient.New(o.HTTP)
	if err != nil {
		return nil, fmt.Errorf("orderpay: %w", err)
	}
	return &Gateway{o: o, http: hc.HTTP()}, nil
}

// Name implements ports.PaymentGateway.
func (g *Gateway) Name() string { return g.o.Name }

// Capabilities implements ports.PaymentGateway.
func (g *Gateway) Capabilities() payment.Capabilities {
	return payment.Capabilities{
		ManualCapture: true, PartialCapture: true, Refunds: true, PartialRefunds: true, Redirect: true,
		Currencies: currencies, Later: []payment.Action{payment.Create, payment.Confirm, payment.Capture, payment.Refund},
		Keys:     payment.Keys{Kept: KeyKept},
		Lookup:   payment.Lookup{Operation: true, Lag: g.o.Lag},
		Metadata: payment.MetadataLimits{Keys: maxKeys, Key: maxKey, Value: maxValue},
	}
}

// Account implements ports.PaymentGateway.
func (g *Gateway) Account(ctx context.Context) (string, error) {
	var m struct {
		ID string `json:"id"`
	}
	err := g.get(ctx, "account", "/v1/merchant", &m)
	return m.ID, err
}

// Compose implements ports.PaymentGateway.
func (g *Gateway) Compose(change payment.Change) (string, error) {
	var in input
	switch r := change.(type) {
	case payment.CreateRequest:
		approve := r.Confirmation == payment.ConfirmClient && !r.Confirm
		switch {
		case !g.Capabilities().SupportsCurrency(r.Currency):
			return "", g.fault("create", fault.Unsupported, "currency_unsupported", "currency")
		case approve && r.ReturnURL == "":
			return "", g.fault("create", fault.Unsupported, "confirmation_unsupported", "returnUrl")
		}
		in = input{
			Reference: r.Metadata[payment.MetaOperation], Amount: r.Amount, Currency: r.Currency, Later: r.CaptureMethod == payment.CaptureManual,
			Token: r.PaymentMethod, Pay: r.Confirm, Approve: approve, ReturnURL: r.ReturnURL, Text: r.Description, Payer: r.Customer, Metadata: r.Metadata,
		}
	case payment.ConfirmRequest:
		in = input{Token: r.PaymentMethod, ReturnURL: r.ReturnURL, Pay: true}
	case payment.CaptureRequest:
		in = input{Amount: r.Amount, Currency: r.Currency}
	case payment.CancelRequest:
	case payment.RefundRequest:
		in = input{Order: r.Reference, Amount: r.Amount, Currency: r.Currency, Reference: r.Metadata[payment.MetaOperation], Metadata: r.Metadata}
	}
	body, err := json.Marshal(in)
	return string(body), err
}

// Create implements ports.PaymentGateway.
func (g *Gateway) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	return g.order(ctx, call{op: "create", path: "/v1/orders", key: r.Key, body: r.Body, operation: r.Metadata[payment.MetaOperation]}, r)
}

// Confirm implements ports.PaymentGateway.
func (g *Gateway) Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error) {
	return g.order(ctx, call{op: "confirm", path: pathOf(r.Reference) + "/pay", key: r.Key, body: r.Body, reference: r.Reference}, r)
}

// Capture implements ports.PaymentGateway.
func (g *Gateway) Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error) {
	return g.order(ctx, call{op: "capture", path: pathOf(r.Reference) + "/capture", key: r.Key, body: r.Body, reference: r.Reference}, r)
}

// Cancel implements ports.PaymentGateway.
func (g *Gateway) Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error) {
	return g.order(ctx, call{op: "cancel", path: pathOf(r.Reference) + "/void", key: r.Key, body: r.Body, reference: r.Reference}, r)
}

// Refund implements ports.PaymentGateway.
func (g *Gateway) Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error) {
	c := call{op: "refund", path: pathOf(r.Reference) + "/refunds", key: r.Key, body: r.Body, reference: r.Reference}
	var made refundView
	if err := g.change(ctx, &c, r, &made); err != nil {
		return payment.ProviderRefund{}, err
	}
	if made.ID == "" || made.Amount != r.Amount {
		return payment.ProviderRefund{}, c.unreadable(g)
	}
	return refundOf(r.Reference, r.Currency, made), nil
}

// Retrieve implements ports.PaymentGateway.
func (g *Gateway) Retrieve(ctx context.Context, reference string) (payment.Intent, error) {
	var o orderView
	if err := g.get(ctx, "retrieve", pathOf(reference), &o); err != nil {
		return payment.Intent{}, err
	}
	if o.ID != reference {
		return payment.Intent{}, g.fault("retrieve", fault.UnknownOutcome, "no_answer", "")
	}
	return intentOf(o), nil
}

// Refunds implements ports.PaymentGateway.
func (g *Gateway) Refunds(ctx context.Context, reference string) ([]payment.ProviderRefund, error) {
	var o orderView
	if err := g.get(ctx, "refunds", pathOf(reference), &o); err != nil {
		return nil, err
	}
	var all []payment.ProviderRefund
	for _, r := range o.Refunds {
		all = append(all, refundOf(reference, o.Currency, r))
	}
	return all, nil
}

// Disputes implements ports.PaymentGateway. The provider has none.
func (g *Gateway) Disputes(ctx context.Context, reference string) ([]payment.Dispute, error) {
	return nil, g.get(ctx, "disputes", pathOf(reference), &orderView{})
}

// List implements ports.PaymentGateway. Only the orders of one operation can be looked up.
func (g *Gateway) List(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error) {
	if r.Operation == "" {
		return payment.IntentPage{}, g.fault("list", fault.Unsupported, "list_unsupported", "")
	}
	var found struct {
		Orders *[]orderView `json:"orders"`
	}
	now, err := g.readAt(ctx, "list", "/v1/orders?reference="+url.QueryEscape(r.Operation), &found)
	if err != nil {
		return payment.IntentPage{}, err
	}
	if found.Orders == nil {
		return payment.IntentPage{}, g.fault("list", fault.UnknownOutcome, "no_answer", "")
	}
	page := payment.IntentPage{Now: now}
	for _, o := range *found.Orders {
		page.Intents = append(page.Intents, intentOf(o))
	}
	return page, nil
}

func pathOf(reference string) string { return "/v1/orders/" + url.PathEscape(reference) }

func intentOf(o orderView) payment.Intent {
	i := payment.Intent{
		Reference: o.ID, Amount: o.Amount, Currency: o.Currency, AmountCaptured: o.Captured, Metadata: o.Metadata, CreatedAt: o.Created,
	}
	switch o.Status {
	case statusApproval:
		i.Status, i.NextAction = payment.RequiresAction, &payment.NextAction{Type: "redirect_to_url", URL: o.ApproveURL}
	case statusAuthorised:
		i.Status, i.AmountCapturable = payment.RequiresCapture, o.Amount
	case statusCaptured:
		i.Status = payment.Succeeded
	case statusVoided:
		i.Status = payment.Canceled
	case statusDeclined:
		i.Status, i.Failure = payment.RequiresPaymentMethod, &payment.Failure{Code: "declined", DeclineCode: o.Failure, Message: "the issuer declined"}
	case statusCreated:
		i.Status = payment.RequiresConfirmation
		if o.Token == "" {
			i.Status = payment.RequiresPaymentMethod
		}
	default:
		i.Status = payment.Processing
	}
	for _, c := range o.Captures {
		i.Objects = append(i.Objects, payment.Object{Kind: "capture", Reference: c.ID})
	}
	for _, r := range o.Refunds {
		i.Objects = append(i.Objects, payment.Object{Kind: "refund", Reference: r.ID})
		if r.Status == "completed" {
			i.AmountRefunded += r.Amount
		}
	}
	return i
}

func refundOf(order string, c money.Currency, r refundView) payment.ProviderRefund {
	status := payment.RefundPending
	if r.Status == "completed" {
		status = payment.RefundSucceeded
	}
	return payment.ProviderRefund{
		Reference: r.ID, Intent: order, Amount: r.Amount, Currency: c, Status: string(status), Metadata: r.Metadata,
		CreatedAt: r.Created, Total: r.Total,
	}
}
