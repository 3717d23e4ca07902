package faultserver

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"
)

// maxBody is more than any provider takes.
const maxBody = 64 << 20

// Faults are those that wait for a request. The zero value has none.
type Faults struct {
	mu      sync.Mutex
	waiting []Fault
	healed  chan struct{} // closed by Heal, which releases requests that hang; nil if none does
}

// Inject applies each fault to the next request that it matches.
func (f *Faults) Inject(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(f.waiting, faults...)
}

// Heal removes all faults, and releases requests that hang.
func (f *Faults) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = nil
	if f.healed != nil {
		close(f.healed)
		f.healed = nil
	}
}

// Waiting returns the faults that no request has met yet.
func (f *Faults) Waiting() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.waiting)
}

// Before returns a handler that applies the faults, and otherwise calls h. None of them may be Crash: the
// listener belongs to somebody else.
func (f *Faults) Before(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil { // it is too long, or did not arrive completely
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.serve(w, r, body, h, nil)
	})
}

// serve answers a request whose body was read, and can be read again.
func (f *Faults) serve(w http.ResponseWriter, r *http.Request, body []byte, h http.Handler, refuse func()) {
	fault, healed, applies := f.take(r, body)
	if !applies {
		h.ServeHTTP(w, r)
		return
	}
	e := exchange{w: w, r: r, healed: healed, refuse: refuse}
	if fault.After {
		e.answer = &recorder{status: http.StatusOK, header: http.Header{}}
		h.ServeHTTP(e.answer, r)
	}
	fault.Mishap(e)
}

// take takes the fault that applies to a request.
func (f *Faults) take(r *http.Request, body []byte) (fault Fault, healed <-chan struct{}, applies bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, one := range f.waiting {
		if one.Match != nil && !one.Match(r, body) {
			continue
		}
		if !one.Standing {
			f.waiting = slices.Delete(f.waiting, i, i+1)
		}
		if f.healed == nil {
			f.healed = make(chan struct{})
		}
		return one, f.healed, true
	}
	return Fault{}, nil, false
}
