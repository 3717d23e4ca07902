package httpclient

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// TokenSource gives the bearer token. Tokens is one.
type TokenSource interface {
	// Token returns the present token. An error that is Unauthorized says that
	// the token endpoint refused us; any other, that it may be tried again.
	Token(ctx context.Context) (string, error)
	// Refresh returns a token other than the one that was refused, or the same
	// where no other is to be had.
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
	// The token endpoint's exchange is not that of the request.
	unrecorded := context.WithValue(req.Context(), exchangeKey{}, (*Exchange)(nil))
	token, err := b.tokens.Token(unrecorded)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, told(Redact(err))
	}
	resp, err := b.next.RoundTrip(with(req, token, req.Body))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !rewindable(req) {
		return resp, err
	}
	fresh, err := b.tokens.Refresh(unrecorded, token)
	if err != nil || fresh == token {
		return resp, nil //nolint:nilerr // the 401 says what is wrong
	}
	body, err := rewound(req)
	if err != nil {
		return resp, nil //nolint:nilerr // as above
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	_ = resp.Body.Close()
	recordOf(req).reset()
	return b.next.RoundTrip(with(req, fresh, body))
}

// CloseIdleConnections is how http.Client reaches the transport.
func (b *bearer) CloseIdleConnections() { (&http.Client{Transport: b.next}).CloseIdleConnections() }

func with(req *http.Request, token string, body io.ReadCloser) *http.Request {
	sent := req.Clone(req.Context())
	sent.Body = body
	sent.Header.Set("Authorization", "Bearer "+token)
	return sent
}

// rewindable reports whether the request can be sent a second time.
func rewindable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// rewound gives the body of a rewindable request once more.
func rewound(req *http.Request) (io.ReadCloser, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, nil
	}
	return req.GetBody()
}
