// Package notify sends the events of a simulated provider by webhook, as providers do.
package notify

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

// Event is what one request reports: an event, or several.
type Event struct {
	Type, ID string // by which people recognize it
	// Request returns the request that delivers it. A provider that signs each attempt anew makes another one
	// each time.
	Request func(ctx context.Context) (*http.Request, error)
}

// Source returns the events since its last call, and a channel that is closed when there are more.
type Source func() (further []Event, changed <-chan struct{})

// Refused is told that an event was not accepted, with the status of the response, or an error if there was
// none.
type Refused func(e Event, status int, err error)

// Times between attempts.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// waiting is an event that was not accepted yet.
type waiting struct {
	event Event
	tries int
	due   time.Time
}

// Each sends the events of a source until the context ends. An event that is not accepted is sent again, less
// and less often, and does not keep others from being sent. refused is called the first time that an event is
// not accepted.
func Each(ctx context.Context, source Source, refused Refused) {
	var all []waiting
	for ctx.Err() == nil {
		further, changed := source()
		for _, e := range further {
			all = append(all, waiting{event: e})
		}
		next := time.Now().Add(lastRetry)
		var still []waiting
		for _, w := range all {
			if !time.Now().Before(w.due) {
				if w.accepted(ctx, refused) {
					continue
				}
				w.due = time.Now().Add(min(firstRetry<<min(w.tries, 10), lastRetry))
				w.tries++
			}
			still = append(still, w)
			if w.due.Before(next) {
				next = w.due
			}
		}
		all = still
		wake := time.NewTimer(time.Until(next))
		select {
		case <-wake.C:
		case <-changed:
		case <-ctx.Done():
		}
		wake.Stop()
	}
}

// accepted sends an event, and reports whether it was accepted.
func (w waiting) accepted(ctx context.Context, refused Refused) bool {
	status, err := Send(ctx, w.event)
	if err == nil && status < 300 {
		return true
	}
	if w.tries == 0 && ctx.Err() == nil {
		refused(w.event, status, err)
	}
	return false
}

// client sends events. A receiver that does not answer must not hold it up.
var client = &http.Client{Timeout: 10 * time.Second}

// Send sends an event once, and returns the status of the response.
func Send(ctx context.Context, e Event) (status int, err error) {
	req, err := e.Request(ctx)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// Post returns a request that delivers a body with these headers.
func Post(ctx context.Context, url string, body []byte, header map[string]string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	return req, nil
}
