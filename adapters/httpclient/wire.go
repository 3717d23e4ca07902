package httpclient

import (
	"net/http"
	"net/http/httptrace"
)

// noted records the requests written by a wire, which has no connections to count bytes on.
type noted struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (n noted) RoundTrip(req *http.Request) (*http.Response, error) {
	x := recordOf(req)
	return n.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				x.written.Store(true)
			}
		},
	})))
}
