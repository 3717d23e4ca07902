package mockpay

import (
	"encoding/json"
	"strings"
	"time"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// apiVersion is the version of Stripe's API that the events use.
const apiVersion = "2023-10-16"

// news is an event that has happened, with the object as it was then.
type news struct {
	kind   string
	object json.RawMessage
	at     time.Time // zero means now
}

// webhookEvent is an event to be delivered to the endpoint. Body is fixed: each attempt
// sends the same bytes.
type webhookEvent struct {
	Seq      int             // distinguishes the two entries of a duplicate
	ID       string          // evt_mock_…
	Body     json.RawMessage //
	Failures int             `json:",omitempty"`
	Due      time.Time
}

// tell adds an event about the intent in its present state.
func (i *intent) tell(kind string) {
	var object any = i.stripeIntent()
	if strings.HasPrefix(kind, "charge.") {
		object = i.stripeCharge()
	}
	i.news = append(i.news, news{kind: kind, object: mustMarshal(object)})
}

// tellOf adds an event about another object.
func (i *intent) tellOf(kind string, object any, at time.Time) {
	i.news = append(i.news, news{kind: kind, object: mustMarshal(object), at: at})
}

// post puts the request's events into the outbox, as the mishap requires.
func (i *intent) post(newID func(prefix string) string, now time.Time, m mishap) {
	var batch []webhookEvent
	for _, n := range i.news {
		id := newID("evt_mock")
		at := now
		if n.at.After(now) {
			at = n.at
		}
		e := stripeEvent{
			ID: id, Object: "event", APIVersion: apiVersion, Created: at.Unix(), Type: n.kind,
			Data: stripeEventData{Object: n.object},
		}
		if at.Equal(now) {
			e.Request.Key = optional(i.Requests[len(i.Requests)-1].Key)
		}
		w := webhookEvent{ID: id, Due: at, Body: mustMarshal(e)}
		batch = append(batch, w)
		if m.twice {
			batch = append(batch, w)
		}
	}
	for at := range batch {
		w := batch[at]
		if m.backwards {
			w = batch[len(batch)-1-at]
		}
		i.LastEvent++
		w.Seq = i.LastEvent
		i.Outbox = append(i.Outbox, w)
	}
	i.news = nil
}

// The objects of Stripe's API, with the fields that are read here.
type (
	stripeEvent struct {
		ID         string          `json:"id"`
		Object     string          `json:"object"`
		APIVersion string          `json:"api_version"`
		Created    int64           `json:"created"`
		Livemode   bool            `json:"livemode"`
		Type       string          `json:"type"`
		Data       stripeEventData `json:"data"`
		Request    struct {
			ID  *string `json:"id"`
			Key *string `json:"idempotency_key"`
		} `json:"request"`
	}
	stripeEventData struct {
		Object json.RawMessage `json:"object"`
	}
	stripeIntent struct {
		ID               string            `json:"id"`
		Object           string            `json:"object"`
		Amount           int64             `json:"amount"`
		AmountCapturable int64             `json:"amount_capturable"`
		AmountReceived   int64             `json:"amount_received"`
		CaptureMethod    string            `json:"capture_method"`
		ClientSecret     string            `json:"client_secret"`
		Created          int64             `json:"created"`
		Currency         string            `json:"currency"`
		Customer         *string           `json:"customer"`
		Description      *string           `json:"description"`
		LastPaymentError *stripeError      `json:"last_payment_error"`
		LatestCharge     *string           `json:"latest_charge"`
		Livemode         bool              `json:"livemode"`
		Metadata         map[string]string `json:"metadata"`
		NextAction       *stripeNextAction `json:"next_action"`
		PaymentMethod    *string           `json:"payment_method"`
		Status           string            `json:"status"`
	}
	stripeError struct {
		Type        string `json:"type"`
		Code        string `json:"code"`
		DeclineCode string `json:"decline_code,omitempty"`
		Message     string `json:"message"`
	}
	stripeNextAction struct {
		Type          string          `json:"type"`
		RedirectToURL *stripeRedirect `json:"redirect_to_url,omitempty"`
	}
	stripeRedirect struct {
		URL       string `json:"url"`
		ReturnURL string `json:"return_url"`
	}
	stripeCharge struct {
		ID             string            `json:"id"`
		Object         string            `json:"object"`
		Amount         int64             `json:"amount"`
		AmountCaptured int64             `json:"amount_captured"`
		AmountRefunded int64             `json:"amount_refunded"`
		Captured       bool              `json:"captured"`
		Created        int64             `json:"created"`
		Currency       string            `json:"currency"`
		Livemode       bool              `json:"livemode"`
		Metadata       map[string]string `json:"metadata"`
		Paid           bool              `json:"paid"`
		PaymentIntent  string            `json:"payment_intent"`
		Refunded       bool              `json:"refunded"`
		Status         string            `json:"status"`
	}
)

func (i *intent) stripeIntent() stripeIntent {
	s := stripeIntent{
		ID: i.Reference, Object: "payment_intent",
		Amount: i.stripes(i.Amount), AmountCapturable: i.stripes(i.AmountCapturable), AmountReceived: i.stripes(i.AmountCaptured),
		CaptureMethod: string(i.CaptureMethod), ClientSecret: i.ClientSecret,
		Created: i.CreatedAt.Unix(), Currency: string(i.Currency),
		Customer: optional(i.Customer), Description: optional(i.Description),
		Metadata: metadata(i.Metadata), PaymentMethod: optional(i.PaymentMethod), Status: string(i.Status),
	}
	if i.Charged {
		s.LatestCharge = optional(i.chargeID())
	}
	if f := i.Failure; f != nil {
		s.LastPaymentError = &stripeError{
			Type: "card_error", Code: f.Code, DeclineCode: f.DeclineCode, Message: f.Message,
		}
	}
	s.NextAction = i.stripeNextAction()
	return s
}

func (i *intent) stripeNextAction() *stripeNextAction {
	if i.NextAction == nil {
		return nil
	}
	a := &stripeNextAction{Type: i.NextAction.Type}
	if i.NextAction.URL != "" {
		a.RedirectToURL = &stripeRedirect{URL: i.NextAction.URL, ReturnURL: i.ReturnURL}
	}
	return a
}

func (i *intent) stripeCharge() stripeCharge {
	c := stripeCharge{
		ID: i.chargeID(), Object: "charge",
		Amount: i.stripes(i.Amount), AmountCaptured: i.stripes(i.AmountCaptured), AmountRefunded: i.stripes(i.AmountRefunded),
		Captured: i.Status == payment.Succeeded, Created: i.CreatedAt.Unix(), Currency: string(i.Currency),
		Metadata: metadata(i.Metadata), Paid: true, PaymentIntent: i.Reference,
		Refunded: i.AmountRefunded == i.AmountCaptured, Status: "succeeded",
	}
	if i.Released != nil { // Stripe includes it in the refunded amount
		c.AmountRefunded += i.stripes(i.Released.Amount)
	}
	return c
}

// stripes converts an amount to Stripe's representation. Every amount of an intent has one,
// because it was checked when it was accepted; an amount that an earlier version of the
// mock accepted without one stays as it is.
func (i *intent) stripes(amount int64) int64 {
	if theirs, err := money.ToStripe(amount, i.Currency); err == nil {
		return theirs
	}
	return amount
}

// chargeID derives the charge's id from the intent's, because the mock has one charge per
// intent.
func (i *intent) chargeID() string { return "ch_" + strings.TrimPrefix(i.Reference, "pi_") }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
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
