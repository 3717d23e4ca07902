package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpapi"
	"patchbay/core/fault"
	"patchbay/tests/memjournal"
)

// One deadline bounds everything that a request asks of the store: the time that finding the
// caller has taken is not available for the rest.
func TestARequestHasOneDeadline(t *testing.T) {
	t.Parallel()
	const deadline = time.Minute
	r := serve(t, func(s *httpapi.Server) { s.Deadline = deadline })
	token := r.key(t)
	asked := make(chan time.Time, 1)
	note := func(op string) error {
		if op == memjournal.Get {
			asked <- time.Now()
		}
		return nil
	}
	r.fail.Store(&note)
	a := r.do(t, http.MethodPost, "/api/users", `{"email":"ada@example.com"}`, asJSON, header{"Authorization": "Bearer " + token})
	if until := r.users.last(t).until; a.status != 201 || until.IsZero() || until.After((<-asked).Add(deadline)) {
		t.Errorf("got %d %s, until %s, want 201 and a time within the deadline", a.status, a.body, until)
	}
}

// A client may send slowly. That takes none of the store's time.
func TestTheTimeOfTheBodyDoesNotCount(t *testing.T) {
	t.Parallel()
	const deadline = 100 * time.Millisecond
	r := serve(t, func(s *httpapi.Server) { s.Deadline = deadline })
	body, writer := io.Pipe()
	began := time.Now()
	go func() {
		fmt.Fprint(writer, strings.Repeat(" ", 20_000)) // more than is read before a route sees it
		<-time.After(2 * deadline)
		fmt.Fprint(writer, `{"email":"ada@example.com"}`)
		writer.Close()
	}()
	a := r.send(t, http.MethodPost, "/api/users", body, asJSON)
	if until := r.users.last(t).until; a.status != 201 || until.Sub(began) < 2*deadline {
		t.Errorf("%d %s, until %s after it began", a.status, a.body, until.Sub(began))
	}
}

// A store that does not return the caller ends the request in time.
func TestFindingTheCallerHasADeadline(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) { s.Deadline = time.Nanosecond })
	token := r.key(t)
	a := r.do(t, http.MethodGet, "/api/users", "", header{"Authorization": "Bearer " + token})
	if a.status != 503 || a.header.Get("Retry-After") == "" || a.err.Code != fault.Unavailable.String() {
		t.Errorf("got %d %s, want 503, a Retry-After, code %v", a.status, a.body, fault.Unavailable.String())
	}
}
