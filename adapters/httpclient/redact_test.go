package httpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"patchbay/adapters/httpclient"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	const secret = "https://canary-user:canary-password@api.test/canary-path?key=canary-query#canary"
	at := func(where string, err error) error { return &url.Error{Op: "Post", URL: where, Err: err} }
	other := errors.New("another")
	tests := []struct {
		name string
		err  error
		want string
		is   error
	}{
		{"none", nil, "", nil},
		{"no URL", other, "another", other},
		{"a URL", at(secret, io.EOF), `Post "https://api.test": EOF`, io.EOF},
		{"a URL within one", at(secret, at(secret, context.Canceled)), `Post "https://api.test": Post "https://api.test": context canceled`, context.Canceled},
		{"a URL with words around it", fmt.Errorf("at %s: %w", secret, at(secret, io.EOF)), `Post "https://api.test": EOF`, io.EOF},
		{"words around a URL within one", at(secret, fmt.Errorf("at %s: %w", secret, at(secret, io.EOF))), `Post "https://api.test": Post "https://api.test": EOF`, io.EOF},
		{"what is no URL", at("https://[canary", io.EOF), `Post "the provider": EOF`, io.EOF},
		{"a URL without a host", at("/canary?canary", io.EOF), `Post "the provider": EOF`, io.EOF},
		{"what was answered", at(secret, errors.New("403 canary-body")), `Post "https://api.test": the exchange failed`, nil},
		{"what net/http quotes", at(secret, errors.New(`net/http: HTTP/1.x transport connection broken: malformed HTTP response "canary-body"`)), `Post "https://api.test": net/http: HTTP/1.x transport connection broken: malformed HTTP response`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := httpclient.Redact(tt.err)
			if tt.err == nil {
				if got != nil {
					t.Fatal(got)
				}
				return
			}
			if got.Error() != tt.want || tt.is != nil && !errors.Is(got, tt.is) || strings.Contains(got.Error(), "canary") {
				t.Fatalf("%v, want %s", got, tt.want)
			}
		})
	}
}
