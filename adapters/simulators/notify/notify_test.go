package notify_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"patchbay/adapters/simulators/notify"
)

// An event that is not accepted is sent until it is, in a request of its own each time.
func TestAnEventIsSentUntilItIsAccepted(t *testing.T) {
	t.Parallel()
	tries := make(chan string, 10)
	var came atomic.Int64
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if came.Add(1) < 3 {
			w.WriteHeader(503)
		}
		tries <- string(body) + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("X-Attempt")
	}))
	t.Cleanup(hook.Close)
	attempt, told := 0, false
	event := notify.Event{Type: "delivered", ID: "1", Request: func(ctx context.Context) (*http.Request, error) {
		attempt++
		return notify.Post(ctx, hook.URL, []byte("hello"), map[string]string{"X-Attempt": strconv.Itoa(attempt)})
	}}
	source := func() ([]notify.Event, <-chan struct{}) {
		if told {
			return nil, nil
		}
		told = true
		return []notify.Event{event}, nil
	}
	ctx, stop := context.WithCancel(t.Context())
	refused, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		notify.Each(ctx, source, func(e notify.Event, status int, err error) {
			if e.ID != "1" || status != 503 || err != nil {
				t.Errorf("refused %s %d %v, want 1, 503 and no error", e.ID, status, err)
			}
			refused++
		})
	}()
	got := []string{<-tries, <-tries, <-tries}
	stop()
	<-done
	if want := []string{"hello application/json 1", "hello application/json 2", "hello application/json 3"}; !slices.Equal(got, want) || refused != 1 {
		t.Errorf("got %q, refused %d times, want %q, refused once", got, refused, want)
	}
}
