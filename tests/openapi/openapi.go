// Package openapi checks the gateway's requests and responses against its own OpenAPI document.
package openapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Checker is an http.RoundTripper that returns an error if a request or its response does not match
// the document. It is safe for concurrent use.
type Checker struct {
	router routers.Router
	next   http.RoundTripper
}

// pages lets the answers be checked that are pages for people.
var pages = sync.OnceFunc(func() { openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder) })

// Load reads the document. next sends the requests.
func Load(path string, next http.RoundTripper) (*Checker, error) {
	pages()
	raw, err := os.ReadFile(path) //nolint:gosec // a test's own file
	if err != nil {
		return nil, err
	}
	document, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, err
	}
	if err := document.Validate(context.Background()); err != nil {
		return nil, err
	}
	document.Servers = nil // accept any host
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		return nil, err
	}
	return &Checker{router, next}, nil
}

// ErrUndocumented is wrapped by the error for a request or response that does not match the
// document.
var ErrUndocumented = errors.New("not as documented")

type wrongKey struct{}

// Wrong marks a request as invalid on purpose: only its response is checked.
func Wrong(ctx context.Context) context.Context { return context.WithValue(ctx, wrongKey{}, true) }

// RoundTrip implements http.RoundTripper.
func (c *Checker) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	wrong, _ := r.Context().Value(wrongKey{}).(bool)
	input, err := c.request(r, sent)
	if err != nil && !wrong {
		return nil, fmt.Errorf("the request is %w: %w", ErrUndocumented, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	resp, err := c.next.RoundTrip(r)
	if err != nil || input == nil {
		return resp, err
	}
	received, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(received))
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header,
		Body:    io.NopCloser(bytes.NewReader(received)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		return nil, fmt.Errorf("the answer %d to %s %s is %w: %w\n%s", resp.StatusCode, r.Method, r.URL.Path, ErrUndocumented, err, received)
	}
	return resp, nil
}

// request checks a request. It returns nil if the document has no such operation and the path is
// not below /api/.
func (c *Checker) request(r *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			return nil, nil
		}
		return nil, err
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true},
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return input, openapi3filter.ValidateRequest(r.Context(), input)
}
