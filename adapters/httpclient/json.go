package httpclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"patchbay/core/fault"
)

// IdempotencyKey is the header that makes a POST safe to retry.
const IdempotencyKey = "Idempotency-Key"

const (
	firstWait = 500 * time.Millisecond
	lastWait  = 5 * time.Second
)

// Request is one call of a JSON API.
type Request struct {
	Method string // GET if empty
	Path   string // relative to the base URL, with its query: /users?limit=2
	Header http.Header
	In     any // sent as JSON; nil for no body
	Out    any // the response is decoded into it; nil to ignore the response
}

// Do makes a call, and retries it if that is safe: if it was provably not processed, or for
// GET, HEAD, PUT, DELETE, or with an Idempotency-Key. It waits as long as the response asks
// for, up to 30 s.
//
// The error's Kind: Canceled or Unavailable if nothing was written; by the status Invalid
// (3xx, 4xx), Unauthorized (401, 403), NotFound (404, 410), Conflict (409, 412),
// RateLimited (429); otherwise UnknownOutcome, which stays if a later attempt proves
// nothing about the earlier one. Its text contains no body and no URL.
func (c *Client) Do(ctx context.Context, r Request) error {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	body, err := encode(r.In)
	if err != nil {
		return fault.Wrap(fault.Invalid, "httpclient.encode", err)
	}
	var result error
	_ = failsafe.With(c.retries(r)).WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error {
		err := c.attempt(e.Context(), r, body)
		result = r.resultAfter(ctx, result, err)
		return err
	})
	return result
}

// resultAfter returns what is known after one more attempt.
func (r Request) resultAfter(ctx context.Context, previous, err error) error {
	if previous == nil || err == nil {
		return err
	}
	switch fault.KindOf(err) {
	case fault.Canceled, fault.Unavailable:
		if ctx.Err() != nil { // the caller gave up: this attempt says nothing about the API
			return previous
		}
	case fault.Unauthorized, fault.RateLimited, fault.Conflict:
	default:
		return err
	}
	if fault.Is(previous, fault.UnknownOutcome) && !r.safe() {
		return previous // this attempt was not processed, but the earlier one may have been
	}
	return err
}

// safe reports whether the method has no effect (RFC 9110 §9.2.1).
func (r Request) safe() bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

func (r Request) repeatable() bool {
	return r.safe() || r.Method == http.MethodPut || r.Method == http.MethodDelete || r.Header.Get(IdempotencyKey) != ""
}

func (r Request) op() string { return "httpclient." + strings.ToLower(r.Method) }

func encode(in any) ([]byte, error) {
	if in == nil {
		return nil, nil
	}
	return json.Marshal(in)
}

func (c *Client) retries(r Request) retrypolicy.RetryPolicy[any] {
	return retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool {
			kind := fault.KindOf(err)
			return err != nil && kind.Rule().Retry && (r.repeatable() || kind != fault.UnknownOutcome)
		}).
		WithMaxAttempts(c.attempts).
		WithDelayFunc(func(e failsafe.ExecutionAttempt[any]) time.Duration {
			return Wait(e.Attempts(), firstWait, lastWait, fault.From(e.LastError()).RetryAfter)
		}).
		ReturnLastFailure().Build()
}

func (c *Client) attempt(ctx context.Context, r Request, body []byte) error {
	ctx, x := Record(ctx)
	var sent io.Reader
	if body != nil {
		sent = bytes.NewReader(body)
	}
	if r.Path != "" && r.Path[0] != '/' && r.Path[0] != '?' { // it would change the host
		return fault.New(fault.Invalid, "invalid_request", "the request's path must begin with /")
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, strings.TrimSuffix(c.base.String(), "/")+r.Path, sent)
	if err != nil || !sendable(r.Header) {
		return fault.New(fault.Invalid, "invalid_request", "the request's method, path or header is not valid")
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, r.Header)
	resp, err := c.http.Do(req)
	if err != nil {
		return fault.Wrap(x.Kind(err), r.op(), Redact(err))
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	return read(resp, x, r)
}

// sendable reports whether the values are valid in a header. net/http checks that, too, but
// its error could not be distinguished from a network failure.
func sendable(h http.Header) bool {
	for _, values := range h {
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return false
			}
		}
	}
	return true
}

func read(resp *http.Response, x *Exchange, r Request) error {
	answer, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode < 200 || resp.StatusCode >= 300:
		// Not resp.Status, because the server chooses its text.
		f := fault.Wrap(KindOfStatus(resp.StatusCode), r.op(), fmt.Errorf("the answer is %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
		f.RetryAfter = x.RetryAfter()
		return f
	case err != nil:
		return fault.Wrap(fault.UnknownOutcome, r.op(), err)
	case r.Out == nil, resp.StatusCode == http.StatusNoContent:
		return nil
	}
	if err := json.Unmarshal(answer, r.Out); err != nil {
		return fault.Wrap(fault.UnknownOutcome, r.op(), errors.New("the answer is not the JSON that was expected"))
	}
	return nil
}

// KindOfStatus classifies a response that is not a success. A redirect is not followed: it
// means that the base URL is wrong.
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
	case status == http.StatusRequestTimeout, status >= 500, status < 200:
		return fault.UnknownOutcome
	}
	return fault.Invalid
}
