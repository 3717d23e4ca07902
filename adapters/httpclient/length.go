package httpclient

import (
	"bytes"
	"io"
	"net/http"
)

// measured sets the Content-Length of a request if it has none and its body can be read
// again, and so is in memory. SDKs pass a reader of a type that net/http does not know and
// sends in chunks; some servers and firewalls answer that with 411.
func measured(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody || req.ContentLength > 0 || req.GetBody == nil || len(req.TransferEncoding) > 0 {
		return req, nil
	}
	body, err := io.ReadAll(req.Body)
	_ = req.Body.Close()
	if err != nil {
		return nil, err
	}
	sent := req.Clone(req.Context())
	sent.ContentLength = int64(len(body))
	sent.GetBody = func() (io.ReadCloser, error) {
		if len(body) == 0 {
			return http.NoBody, nil
		}
		return io.NopCloser(bytes.NewReader(body)), nil
	}
	sent.Body, err = sent.GetBody()
	return sent, err
}
