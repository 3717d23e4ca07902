package orderpay

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// The objects of the API. Amounts are in minor units.
type orderView struct {
	ID         string            `json:"id"`
	Reference  string            `json:"reference,omitempty"`
	Status     string            `json:"status"`
	Amount     int64             `json:"amount"`
	Currency   money.Currency    `json:"currency"`
	Token      string            `json:"token,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Created    time.Time         `json:"created"`
	Failure    string            `json:"failure,omitempty"`
	Captured   int64             `json:"captured"`
	ApproveURL string            `json:"approve_url,omitempty"`
	Captures   []captureView     `json:"captures,omitempty"`
	Refunds    []refundView      `json:"refunds,omitempty"`
}

type captureView struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Amount int64  `json:"amount"`
}

type refundView struct {
	ID        string            `json:"id"`
	Status    string            `json:"status"`
	Amount    int64             `json:"amount"`
	Total     int64             `json:"total"`
	Reference string            `json:"reference,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Created   time.Time         `json:"created"`
}

// refusal is the body of an error.
type refusal struct {
	Name  string     `json:"name"`
	Field string     `json:"field,omitempty"`
	Order *orderView `json:"order,omitempty"` // of a decline
}

// input is the body of any request.
type input struct {
	Reference string            `json:"reference,omitempty"`
	Amount    int64             `json:"amount,omitempty"`
	Currency  money.Currency    `json:"currency,omitempty"`
	Later     bool              `json:"capture_later,omitempty"`
	Token     string            `json:"token,omitempty"`
	Pay       bool              `json:"pay,omitempty"`     // with the token
	Approve   bool              `json:"approve,omitempty"` // by the buyer, on the provider's page
	ReturnURL string            `json:"return_url,omitempty"`
	Text      string            `json:"text,omitempty"`
	Payer     string            `json:"payer,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Order     string            `json:"order,omitempty"` // of a refund
}

// saved is a Request-Id, and the object that its request has made or changed.
type saved struct {
	at          time.Time
	fingerprint string
	order       *order
	refund      *refund
	done        bool // it did not fail, so a repeat changes nothing
}

// answer answers a request. Once a request has changed something, its Request-Id is remembered.
func (s *Sim) answer(r *http.Request) (status int, body any) {
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	if path == "/keys/"+s.signer.id {
		return http.StatusOK, map[string]string{"key": s.signer.published()}
	}
	if r.Header.Get("Authorization") != "Bearer "+s.o.Key {
		return http.StatusUnauthorized, refusal{Name: "unauthorized"}
	}
	if r.Method == http.MethodGet {
		return s.read(path, r.URL.Query().Get("reference"))
	}
	raw, err := io.ReadAll(r.Body)
	var in input
	if err != nil || json.Unmarshal(raw, &in) != nil {
		return http.StatusBadRequest, refusal{Name: "malformed"}
	}
	key, fingerprint := r.Header.Get("Request-Id"), r.Method+path+string(raw)
	k := s.keys[key]
	if k != nil && time.Since(k.at) >= KeyKept {
		k = nil
	}
	switch {
	case key == "":
		return http.StatusBadRequest, refusal{Name: "request_id_missing"}
	case k != nil && k.fingerprint != fingerprint:
		return http.StatusUnprocessableEntity, refusal{Name: "request_id_reused"}
	case k != nil && k.done && k.refund != nil:
		return http.StatusOK, k.refund.view()
	case k != nil && k.done:
		return http.StatusOK, k.order.view()
	case k == nil:
		k = &saved{at: time.Now(), fingerprint: fingerprint}
	}
	failed := s.change(k, path, in)
	if k.order != nil {
		s.keys[key] = k
	}
	switch {
	case failed != nil:
		return failed.status, failed.refusal
	case k.refund != nil:
		return http.StatusAccepted, k.refund.view()
	}
	return http.StatusOK, k.order.view()
}

func (s *Sim) read(path, reference string) (int, any) {
	id, one := strings.CutPrefix(path, "/orders/")
	switch {
	case path == "/merchant":
		return http.StatusOK, map[string]string{"id": s.Merchant()}
	case path == "/orders" && reference != "":
		found := []orderView{}
		for _, o := range s.orders {
			if o.reference == reference && time.Since(o.created) >= s.o.Lag {
				found = append(found, o.view())
			}
		}
		return http.StatusOK, map[string]any{"orders": found}
	case one && s.find(id) != nil:
		return http.StatusOK, s.find(id).view()
	}
	return http.StatusNotFound, refusal{Name: "not_found"}
}

// failure is a request that was refused or declined.
type failure struct {
	status  int
	refusal refusal
}

func refuse(status int, name, field string) *failure {
	return &failure{status, refusal{Name: name, Field: field}}
}

// change executes a request. It sets k.order once the request has changed something.
func (s *Sim) change(k *saved, path string, in input) *failure {
	if path == "/orders" {
		return s.open(k, in)
	}
	parts := strings.Split(path, "/")
	if len(parts) != 4 || parts[1] != "orders" || s.find(parts[2]) == nil {
		return refuse(http.StatusNotFound, "not_found", "")
	}
	o := s.find(parts[2])
	switch parts[3] {
	case "pay":
		return s.payFor(k, o, in)
	case "capture":
		amount := cmp.Or(in.Amount, o.amount)
		switch {
		case o.status() != statusAuthorised:
			return refuse(http.StatusConflict, "order_state", "")
		case amount > o.amount || amount < 0:
			return refuse(http.StatusUnprocessableEntity, "amount_exceeded", "amount")
		}
		s.capture(o, amount)
	case "void":
		if o.void || o.captured() > 0 || o.pendingCapture() != nil {
			return refuse(http.StatusConflict, "order_state", "")
		}
		o.void, o.authorised, o.awaits = true, false, false
		s.tell("order.voided", map[string]any{"order": o.view()})
	case "refunds":
		switch left := o.captured() - o.refunded(); {
		case o.captured() == 0:
			return refuse(http.StatusConflict, "order_state", "")
		case in.Amount > left || in.Amount <= 0:
			return refuse(http.StatusUnprocessableEntity, "amount_exceeded", "amount")
		}
		k.refund = &refund{
			id: newID("ref"), status: "pending", reference: in.Reference, amount: in.Amount, total: o.refunded() + in.Amount,
			metadata: in.Metadata, at: time.Now(),
		}
		o.refunds = append(o.refunds, k.refund)
	default:
		return refuse(http.StatusNotFound, "not_found", "")
	}
	k.order, k.done = o, true
	return nil
}

// open makes an order, and pays it if it is asked to.
func (s *Sim) open(k *saved, in input) *failure {
	if f := in.check(); f != nil {
		return f
	}
	if k.order == nil {
		k.order = &order{
			id: newID("ord"), reference: in.Reference, amount: in.Amount, currency: in.Currency, later: in.Later, token: in.Token,
			returnURL: in.ReturnURL, metadata: in.Metadata, created: time.Now(), awaits: in.Approve,
		}
		s.orders = append(s.orders, k.order)
		s.tell("order.created", map[string]any{"order": k.order.view()})
	}
	if !in.Pay {
		k.done = true
		return nil
	}
	return s.payFor(k, k.order, input{})
}

// payFor pays an order by its token or by another. A decline changes the order.
func (s *Sim) payFor(k *saved, o *order, in input) *failure {
	token := cmp.Or(in.Token, o.token)
	switch {
	case !slices.Contains([]string{statusCreated, statusApproval, statusDeclined}, o.status()):
		return refuse(http.StatusConflict, "order_state", "")
	case token == "" || in.Token == "" && o.failure != "" && k.order == nil:
		return refuse(http.StatusUnprocessableEntity, "token_missing", "token")
	case !slices.Contains([]string{Pays, NeedsBuyer, Declined, NoFunds, FailsCapture}, token):
		return refuse(http.StatusUnprocessableEntity, "token_unknown", "token")
	}
	o.token, k.order = token, o
	if s.pay(o) != "" {
		v := o.view()
		return &failure{http.StatusPaymentRequired, refusal{Name: "declined", Order: &v}}
	}
	k.done = true
	return nil
}

func (in input) check() *failure {
	switch {
	case !slices.Contains(currencies, in.Currency):
		return refuse(http.StatusUnprocessableEntity, "currency_unsupported", "currency")
	case in.Amount < 50:
		return refuse(http.StatusUnprocessableEntity, "amount_too_small", "amount")
	case in.Pay && in.Token == "":
		return refuse(http.StatusUnprocessableEntity, "token_missing", "token")
	case !(payment.MetadataLimits{Keys: maxKeys, Key: maxKey, Value: maxValue}).Allows(in.Metadata, 0):
		return refuse(http.StatusUnprocessableEntity, "metadata_too_large", "metadata")
	}
	return nil
}
