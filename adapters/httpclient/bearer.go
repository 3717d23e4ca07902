package httpclient

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// TokenSource gives the bearer token. Tokens is one.
type TokenSource interface {
	// Token returns the present token.
	Token(ctx context.Context) (string, error)
	// Refresh returns a token other than the one that was refused.
	Refresh(ctx context.Context, refused string) (string, error)
}

// bearer adds the token, and tries once more with a new one where it is
// refused: a request that was answered 401 was not processed.
type bearer struct {
	next   http.RoundTripper
	tokens TokenSource
	base   *url.URL
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != b.base.Host || req.URL.Scheme != b.base.Scheme {
		return b.next.RoundTrip(req) // the token is for the configured host alone
	}
	token, err := b.tokens.Token(req.Context())
	if err != nil {
		return nil, err
	}
	resp, err := b.next.RoundTrip(with(req, token, req.Body))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || req.Body != nil && req.GetBody == nil {
		return resp, err
	}
	fresh, err := b.tokens.Refresh(req.Context(), token)
	if err != nil || fresh == token {
		return resp, nil //nolint:nilerr // the 401 says what is wrong
	}
	body := req.Body
	if req.GetBody != nil {
		if body, err = req.GetBody(); err != nil {
			return resp, nil //nolint:nilerr // as above
		}
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	_ = resp.Body.Close()
	return b.next.RoundTrip(with(req, fresh, body))
}

func with(req *http.Request, token string, body io.ReadCloser) *http.Request {
	sent := req.Clone(req.Context())
	sent.Body = body
	sent.Header.Set("Authorization", "Bearer "+token)
	return sent
}
