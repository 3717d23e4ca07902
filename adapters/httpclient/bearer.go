package httpclient

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// TokenSource supplies the bearer token. Tokens implements it.
type TokenSource interface {
	// Token returns the current token. An Unauthorized error means that the token endpoint
	// refused us; any other error, that a retry may succeed.
	Token(ctx context.Context) (string, error)
	// Refresh returns a token other than the refused one, or the same if no other is
	// available.
	Refresh(ctx context.Context, refused string) (string, error)
}

// bearer adds the token, and retries once with a new token if it is refused: a request
// answered with 401 was not processed.
type bearer struct {
	next   http.RoundTripper
	tokens TokenSource
	base   *url.URL
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != b.base.Host || req.URL.Scheme != b.base.Scheme {
		return b.next.RoundTrip(req) // the token is only for the configured host
	}
	// The exchange with the token endpoint is not that of the request.
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
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be reused
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

// rewound returns the body of a rewindable request again.
func rewound(req *http.Request) (io.ReadCloser, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, nil
	}
	return req.GetBody()
}
