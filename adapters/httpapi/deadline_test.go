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
	read := make(chan time.Time, 1)
	note := func(op string) error {
		if op == memjournal.Get {
			read <- time.Now()
		}
		return nil
	}
	r.fail.Store(&note)
	a := r.do(t, http.MethodPost, "/api/users", `{"email":"ada@example.com"}`, asJSON, header{"Authorization": "Bearer " + token})
	a.hasStatus(t, 201)
	if until, latest := r.users.last(t).until, (<-read).Add(deadline); until.IsZero() || until.After(latest) {
		t.Errorf("deadline of the write = %s, want one not after %s", until, latest)
	}
}

// A client may send slowly. That takes none of the store's time.
func TestTheTimeOfTheBodyDoesNotCountForTheDeadline(t *testing.T) {
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
	a.hasStatus(t, 201)
	if left := r.users.last(t).until.Sub(began); left < 2*deadline {
		t.Errorf("deadline of the write = %s after the request began, want at least %s", left, 2*deadline)
	}
}

// A store that does not return the caller ends the request in time.
func TestFindingTheCallerHasADeadline(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) { s.Deadline = time.Nanosecond })
	token := r.key(t)
	a := r.do(t, http.MethodGet, "/api/users", "", header{"Authorization": "Bearer " + token})
	a.refused(t, 503, fault.Unavailable.String(), "")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After, want one")
	}
}
