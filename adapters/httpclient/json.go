package httpclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"patchbay/core/fault"
)

// IdempotencyKey is the header under which a POST may be repeated.
const IdempotencyKey = "Idempotency-Key"

const (
	firstWait = 500 * time.Millisecond
	lastWait  = 5 * time.Second
)

// Request is one call of a JSON API.
type Request struct {
	Method string
	Path   string // below the base URL, with its query: /users?limit=2
	Header http.Header
	In     any // sent as JSON; nil for no body
	Out    any // the answer is read into it; nil where it is of no interest
}

// Do makes a call, and repeats it where that is safe: proved not processed, or
// GET, PUT, DELETE, or under an Idempotency-Key.
//
// The error's Kind: Canceled or Unavailable where nothing left; by the status
// Invalid (4xx), Unauthorized (401, 403), NotFound, Conflict (409, 412),
// RateLimited (429); else UnknownOutcome. Its text has no body and no URL.
func (c *Client) Do(ctx context.Context, r Request) error {
	body, err := encode(r.In)
	if err != nil {
		return fault.Wrap(fault.Invalid, "httpclient.encode", err)
	}
	var last error
	_ = failsafe.With(c.retries(r)).WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error {
		last = c.once(e.Context(), r, body)
		return last
	})
	return last
}

func encode(in any) ([]byte, error) {
	if in == nil {
		return nil, nil
	}
	return json.Marshal(in)
}

func (c *Client) retries(r Request) retrypolicy.RetryPolicy[any] {
	repeatable := r.Method == http.MethodGet || r.Method == http.MethodPut || r.Method == http.MethodDelete || r.Header.Get(IdempotencyKey) != ""
	return retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool {
			kind := fault.KindOf(err)
			return err != nil && kind.Rule().Retry && (repeatable || kind != fault.UnknownOutcome)
		}).
		WithMaxAttempts(c.attempts).
		WithDelayFunc(func(e failsafe.ExecutionAttempt[any]) time.Duration {
			return Wait(e.Attempts(), firstWait, lastWait, fault.From(e.LastError()).RetryAfter)
		}).
		ReturnLastFailure().Build()
}

func (c *Client) once(ctx context.Context, r Request, body []byte) error {
	ctx, x := Record(ctx)
	var sent io.Reader
	if body != nil {
		sent = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, strings.TrimSuffix(c.base.String(), "/")+r.Path, sent)
	if err != nil {
		return fault.New(fault.Invalid, "invalid_request", "the request's method or path is not valid")
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fault.Wrap(x.Kind(err), "httpclient."+strings.ToLower(r.Method), Redact(err))
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	return read(resp, x, r)
}

func read(resp *http.Response, x *Exchange, r Request) error {
	op := "httpclient." + strings.ToLower(r.Method)
	answer, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode >= 300:
		f := fault.Wrap(KindOfStatus(resp.StatusCode), op, fmt.Errorf("the answer is %s", resp.Status))
		f.RetryAfter = x.RetryAfter()
		return f
	case err != nil:
		return fault.Wrap(fault.UnknownOutcome, op, err)
	case r.Out == nil:
		return nil
	}
	if err := json.Unmarshal(answer, r.Out); err != nil {
		return fault.Wrap(fault.UnknownOutcome, op, errors.New("the answer is not the JSON that was expected"))
	}
	return nil
}

// KindOfStatus classifies an answer that is no success. A redirect is not
// followed: the base URL is wrong.
func KindOfStatus(status int) fault.Kind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fault.Unauthorized
	case status == http.StatusNotFound, status == http.StatusGone:
		return fault.NotFound
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return fault.Conflict
	case status == http.StatusTooManyRequests:
		return fault.RateLimited
	case status == http.StatusRequestTimeout, status >= 500:
		return fault.UnknownOutcome
	}
	return fault.Invalid
}
