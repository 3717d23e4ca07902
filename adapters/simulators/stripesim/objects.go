package stripesim

import (
	"encoding/json"
	"time"

	"patchbay/core/payment"
)

// The objects of Stripe's API.
type (
	intentObject struct {
		ID               string            `json:"id"`
		Object           string            `json:"object"`
		Amount           int64             `json:"amount"`
		Capturable       int64             `json:"amount_capturable"`
		Received         int64             `json:"amount_received"`
		Automatic        *methodsObject    `json:"automatic_payment_methods"`
		CaptureMethod    string            `json:"capture_method"`
		ClientSecret     string            `json:"client_secret"`
		Confirmation     string            `json:"confirmation_method"`
		Created          int64             `json:"created"`
		Currency         string            `json:"currency"`
		Customer         *string           `json:"customer"`
		Description      *string           `json:"description"`
		LastPaymentError *Failure          `json:"last_payment_error"`
		LatestCharge     any               `json:"latest_charge"` // its id, or the object if it is expanded
		Livemode         bool              `json:"livemode"`
		Metadata         map[string]string `json:"metadata"`
		NextAction       *actionObject     `json:"next_action"`
		PaymentMethod    *string           `json:"payment_method"`
		MethodTypes      []string          `json:"payment_method_types"`
		Status           payment.Status    `json:"status"`
	}
	methodsObject struct {
		AllowRedirects string `json:"allow_redirects"`
		Enabled        bool   `json:"enabled"`
	}
	actionObject struct {
		Type     string          `json:"type"`
		Redirect *redirectObject `json:"redirect_to_url,omitempty"`
		SDK      *sdkObject      `json:"use_stripe_sdk,omitempty"`
	}
	redirectObject struct {
		ReturnURL string `json:"return_url"`
		URL       string `json:"url"`
	}
	sdkObject struct {
		Type string `json:"type"`
	}
	chargeObject struct {
		ID            string            `json:"id"`
		Object        string            `json:"object"`
		Amount        int64             `json:"amount"`
		Received      int64             `json:"amount_captured"`
		Refunds       int64             `json:"amount_refunded"`
		Captured      bool              `json:"captured"`
		Created       int64             `json:"created"`
		Currency      string            `json:"currency"`
		Customer      *string           `json:"customer"`
		Disputed      bool              `json:"disputed"`
		Livemode      bool              `json:"livemode"`
		Metadata      map[string]string `json:"metadata"`
		Paid          bool              `json:"paid"`
		Intent        string            `json:"payment_intent"`
		PaymentMethod *string           `json:"payment_method"`
		Refunded      bool              `json:"refunded"`
		Status        string            `json:"status"`
	}
	refundObject struct {
		ID       string            `json:"id"`
		Object   string            `json:"object"`
		Amount   int64             `json:"amount"`
		Charge   any               `json:"charge"` // its id, or the object if it is expanded
		Created  int64             `json:"created"`
		Currency string            `json:"currency"`
		Failure  string            `json:"failure_reason,omitempty"`
		Metadata map[string]string `json:"metadata"`
		Intent   string            `json:"payment_intent"`
		Reason   *string           `json:"reason"`
		Status   string            `json:"status"`
	}
	disputeObject struct {
		ID       string            `json:"id"`
		Object   string            `json:"object"`
		Amount   int64             `json:"amount"`
		Moved    []Movement        `json:"balance_transactions"`
		Charge   string            `json:"charge"`
		Created  int64             `json:"created"`
		Currency string            `json:"currency"`
		Evidence evidenceObject    `json:"evidence_details"`
		Metadata map[string]string `json:"metadata"`
		Intent   string            `json:"payment_intent"`
		Reason   string            `json:"reason"`
		Status   string            `json:"status"`
	}
	evidenceObject struct {
		DueBy int64 `json:"due_by"`
	}
	accountObject struct {
		ID           string            `json:"id"`
		Object       string            `json:"object"`
		BusinessType *string           `json:"business_type"`
		Charges      bool              `json:"charges_enabled"`
		Country      string            `json:"country"`
		Currency     string            `json:"default_currency"`
		Submitted    bool              `json:"details_submitted"`
		Email        *string           `json:"email"`
		Metadata     map[string]string `json:"metadata"`
		Payouts      bool              `json:"payouts_enabled"`
		Type         string            `json:"type"`
	}
	listObject struct {
		Object string `json:"object"`
		URL    string `json:"url"`
		More   bool   `json:"has_more"`
		Data   []any  `json:"data"`
	}
)

var cardOnly = []string{"card"}

// intentObject returns the intent of a record at the time of a state.
func (s *Sim) intentObject(i *Intent, at *State, expanded bool) *intentObject {
	o := &intentObject{
		ID: i.ID, Object: "payment_intent", Amount: i.Amount, Capturable: at.Capturable, Received: at.Received,
		Automatic: &methodsObject{"always", true}, CaptureMethod: i.CaptureMethod, ClientSecret: i.Secret, Confirmation: "automatic",
		Created: i.Created.Unix(), Currency: i.Currency, Customer: orNull(i.Customer), Description: orNull(i.Description),
		LastPaymentError: at.Failure, Metadata: metadata(i.Metadata), NextAction: s.next(i, at), PaymentMethod: orNull(at.Method),
		MethodTypes: cardOnly, Status: at.Status,
	}
	if !i.Redirects {
		o.Automatic.AllowRedirects = "never"
	}
	if len(i.Types) > 0 {
		o.Automatic, o.MethodTypes = nil, i.Types
	}
	switch {
	case at.Charge.ID == "":
	case expanded:
		o.LatestCharge = newChargeObject(i, at)
	default:
		o.LatestCharge = at.Charge.ID
	}
	return o
}

// next returns what the buyer must do.
func (s *Sim) next(i *Intent, at *State) *actionObject {
	switch {
	case at.Status != payment.RequiresAction:
		return nil
	case at.ReturnURL == "":
		return &actionObject{Type: "use_stripe_sdk", SDK: &sdkObject{"three_d_secure_redirect"}}
	}
	return &actionObject{Type: "redirect_to_url", Redirect: &redirectObject{at.ReturnURL, s.approval(i.ID)}}
}

func newChargeObject(i *Intent, at *State) *chargeObject {
	o := &chargeObject{
		ID: at.Charge.ID, Object: "charge", Amount: i.Amount, Received: at.Received, Refunds: at.Refunded, Captured: at.Charge.Captured,
		Created: i.Created.Unix(), Currency: i.Currency, Customer: orNull(i.Customer), Disputed: at.Disputed, Metadata: metadata(i.Metadata),
		Paid: at.Charge.Paid, Intent: i.ID, PaymentMethod: orNull(at.Method), Refunded: at.Refunded == i.Amount, Status: "failed",
	}
	if at.Charge.Paid {
		o.Status = "succeeded"
	}
	return o
}

func newRefundObject(i *Intent, r *Refund) *refundObject {
	o := &refundObject{
		ID: r.ID, Object: "refund", Amount: r.Amount, Charge: i.State.Charge.ID, Created: r.Created.Unix(), Currency: i.Currency,
		Metadata: metadata(r.Metadata), Intent: i.ID, Reason: orNull(r.Reason), Status: r.Status,
	}
	if r.Status == "failed" {
		o.Failure = "expired_or_canceled_card"
	}
	return o
}

func newDisputeObject(i *Intent, d *Dispute) *disputeObject {
	moved := d.Moved
	if moved == nil {
		moved = []Movement{}
	}
	return &disputeObject{
		ID: d.ID, Object: "dispute", Amount: d.Amount, Moved: moved, Charge: i.State.Charge.ID, Created: d.Created.Unix(), Currency: i.Currency,
		Evidence: evidenceObject{d.Created.Add(7 * 24 * time.Hour).Unix()}, Metadata: map[string]string{}, Intent: i.ID,
		Reason: d.Reason, Status: d.Status,
	}
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// metadata returns an object, never null, as Stripe does.
func metadata(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// mustMarshal is for our own types, which can always be marshaled.
func mustMarshal(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
