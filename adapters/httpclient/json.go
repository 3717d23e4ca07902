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

// IdempotencyKey is the header under which a POST may be repeated.
const IdempotencyKey = "Idempotency-Key"

const (
	firstWait = 500 * time.Millisecond
	lastWait  = 5 * time.Second
)

// Request is one call of a JSON API.
type Request struct {
	Method string // GET where empty
	Path   string // below the base URL, with its query: /users?limit=2
	Header http.Header
	In     any // sent as JSON; nil for no body
	Out    any // the answer is read into it; nil where it is of no interest
}

// Do makes a call, and repeats it where that is safe: proved not processed, or
// GET, HEAD, PUT, DELETE, or under an Idempotency-Key. It waits as long as the
// answer asks for, up to 30 s.
//
// The error's Kind: Canceled or Unavailable where nothing left; by the status
// Invalid (3xx, 4xx), Unauthorized (401, 403), NotFound (404, 410), Conflict
// (409, 412), RateLimited (429); else UnknownOutcome, which it stays where a
// later try proves nothing of the earlier one. Its text has no body and no URL.
func (c *Client) Do(ctx context.Context, r Request) error {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	body, err := encode(r.In)
	if err != nil {
		return fault.Wrap(fault.Invalid, "httpclient.encode", err)
	}
	var verdict error
	_ = failsafe.With(c.retries(r)).WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error {
		err := c.once(e.Context(), r, body)
		verdict = r.verdict(ctx, verdict, err)
		return err
	})
	return verdict
}

// verdict is what is known after one more try.
func (r Request) verdict(ctx context.Context, before, err error) error {
	if before == nil || err == nil {
		return err
	}
	switch fault.KindOf(err) {
	case fault.Canceled, fault.Unavailable:
		if ctx.Err() != nil { // the caller's end: this try says nothing of the API
			return before
		}
	case fault.Unauthorized, fault.RateLimited, fault.Conflict:
	default:
		return err
	}
	if fault.Is(before, fault.UnknownOutcome) && !r.safe() {
		return before // this try was not processed, the one before may have been
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

func (c *Client) once(ctx context.Context, r Request, body []byte) error {
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

// sendable reports whether the values can stand in a header. net/http would say
// so as well, but not so that it could be told from a failure of the network.
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
		// Not resp.Status: its words are the server's.
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
	case status == http.StatusRequestTimeout, status >= 500, status < 200:
		return fault.UnknownOutcome
	}
	return fault.Invalid
}
