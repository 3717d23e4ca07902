package orderpay

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// call is one request that changes something.
type call struct {
	op, path, key, body string
	operation           string // of a create
	reference           string // of the order that it is about
	exchange            *httpclient.Exchange
}

// order makes a call whose answer is an order.
func (g *Gateway) order(ctx context.Context, c call, r payment.Change) (payment.Intent, error) {
	var o orderView
	if err := g.change(ctx, &c, r, &o); err != nil {
		var said refusal
		if fault.Is(err, fault.Declined) && c.exchange.DecodeRefusal(&said) {
			return intentOf(*said.Order), err
		}
		return payment.Intent{}, err
	}
	if o.ID == "" || c.reference != "" && o.ID != c.reference {
		return payment.Intent{}, c.unreadable(g)
	}
	return intentOf(o), nil
}

// change sends a call, as it was composed before or as it is composed now.
func (g *Gateway) change(ctx context.Context, c *call, r payment.Change, out any) error {
	body := c.body
	if body == "" {
		composed, err := g.Compose(r)
		if err != nil {
			return err
		}
		body = composed
	}
	if !json.Valid([]byte(body)) {
		return g.fault(c.op, fault.Invalid, "body_invalid", "")
	}
	if c.key == "" {
		return g.fault(c.op, fault.Invalid, "idempotency_key_invalid", "")
	}
	ctx, c.exchange = httpclient.Record(ctx)
	status, err := g.send(ctx, http.MethodPost, c.path, c.key, body, out)
	switch {
	case err != nil:
		return g.named(c.op, c.exchange.Unanswered(err))
	case status >= 300:
		return g.refused(*c)
	}
	return nil
}

func (g *Gateway) get(ctx context.Context, op, path string, out any) error {
	_, err := g.readAt(ctx, op, path, out)
	return err
}

// readAt is get, and returns the time of the answer by the provider's clock, zero if unknown.
func (g *Gateway) readAt(ctx context.Context, op, path string, out any) (at time.Time, err error) {
	ctx, x := httpclient.Record(ctx)
	status, err := g.send(ctx, http.MethodGet, path, "", "", out)
	switch {
	case err != nil:
		return at, g.named(op, x.Unanswered(err))
	case status < 300:
		at, _ = http.ParseTime(x.Header("Date"))
		return at, nil
	}
	return at, g.refused(call{op: op, exchange: x})
}

// send makes a request and decodes its answer. An answer that is not the provider's is an error.
func (g *Gateway) send(ctx context.Context, method, path, key, body string, out any) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(g.o.HTTP.BaseURL, "/")+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+g.o.Key)
	if key != "" {
		req.Header.Set("Request-Id", key)
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := g.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode < 300 {
		err = json.Unmarshal(answer, out)
	}
	return resp.StatusCode, err
}

// refused maps an answer that is not a success. Only the provider's own words prove anything.
func (g *Gateway) refused(c call) error {
	var said refusal
	status := c.exchange.Status()
	if !c.exchange.DecodeRefusal(&said) || said.Name == "" || status >= http.StatusInternalServerError {
		return c.unreadable(g)
	}
	f := g.fault(c.op, fault.Invalid, said.Name, said.Field)
	switch {
	case said.Name == "unauthorized":
		f.Kind = fault.Unauthorized
	case said.Name == "forbidden":
		f.Kind = fault.Refused
	case said.Name == "rate_limited":
		f.Kind, f.RetryAfter = fault.RateLimited, c.exchange.RetryAfter()
	case said.Name == "not_found":
		f.Kind = fault.NotFound
	case said.Name == "order_state":
		f.Kind, f.Code = fault.Conflict, "unexpected_state"
	case said.Name == "amount_exceeded":
		f.Code = "amount_too_large"
	case said.Name == "token_missing":
		f.Code, f.Param = "payment_method_missing", "paymentMethod"
	case said.Name == "currency_unsupported":
		f.Kind = fault.Unsupported
	case said.Name == "request_id_reused":
		f.Kind, f.Code, f.NoRetry, f.Blameless = fault.UnknownOutcome, "idempotency_mismatch", true, true
	case said.Name == "declined" && said.Order != nil:
		f.Kind, f.DeclineCode = fault.Declined, said.Order.Failure
		f.Proven = said.Order.ID == c.reference || c.operation != "" && said.Order.Reference == c.operation
	}
	return f
}

func (c call) unreadable(g *Gateway) *fault.Error {
	return g.fault(c.op, fault.UnknownOutcome, "no_answer", "")
}

func (g *Gateway) fault(op string, kind fault.Kind, code, param string) *fault.Error {
	return g.named(op, &fault.Error{Kind: kind, Code: code, Param: param, Message: "the provider says " + code})
}

func (g *Gateway) named(op string, f *fault.Error) *fault.Error {
	f.Op, f.Provider = "orderpay."+op, g.o.Name
	return f
}
