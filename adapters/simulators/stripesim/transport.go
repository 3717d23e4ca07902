package stripesim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"
)

// hangLimit bounds a response that does not come, for clients without a deadline.
const hangLimit = time.Minute

// hang waits until the client gives up, or for hangLimit.
func hang(ctx context.Context) {
	limit := time.NewTimer(hangLimit)
	defer limit.Stop()
	select {
	case <-ctx.Done():
	case <-limit.C:
	}
}

type earlierKey struct{}

// WithEarlier returns a context for requests that an earlier version may have made to the same Book.
// fingerprint returns the one that it saved with the response.
func WithEarlier(ctx context.Context, fingerprint func() string) context.Context {
	return context.WithValue(ctx, earlierKey{}, fingerprint)
}

func earlier(ctx context.Context) func() string {
	f, _ := ctx.Value(earlierKey{}).(func() string)
	return f
}

// Transport is an http.RoundTripper that calls a simulator within the process, on the goroutine of
// the caller. It reports by httptrace whether a request arrived.
type Transport struct{ Sim *Sim }

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, replayed := t.Sim.accounts.answer(req)
	if a.lost == refused {
		return nil, lostTo(a.err, "the connection was refused")
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	switch a.lost {
	case silent:
		return nil, lostTo(a.err, "the connection was reset")
	case hangs:
		hang(ctx)
		return nil, lostTo(ctx.Err(), "no response came")
	case answers, refused, garbled:
	}
	h := make(http.Header, 6)
	t.Sim.head(h, a, replayed)
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}, nil
}

func lostTo(err error, otherwise string) error {
	if err != nil {
		return err
	}
	return errors.New("stripesim: " + otherwise)
}
