package httpclient

import (
	"net/http"
	"net/http/httptrace"
)

// noted notes what was written by a wire that has no connections to count by.
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
