package resendsim

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"sync"
	"time"
)

// kept is for how long a key is remembered.
const kept = 24 * time.Hour

// keys are the idempotency keys of an account.
type keys struct {
	now func() time.Time

	mu    sync.Mutex
	known map[string]*request
}

// request is what is remembered of the first request under a key.
type request struct {
	at      time.Time
	ended   bool
	payload [sha256.Size]byte
	id      string // of the message that it made
}

// serve answers a request under a key. The first one is executed; a refused one is forgotten. A repeat
// gets the answer of the first, unless that is in progress or was another request.
func (k *keys) serve(w http.ResponseWriter, r *http.Request, key string, execute func(http.ResponseWriter, *http.Request) string) {
	first, repeated := k.begin(key)
	if repeated && !first.ended {
		refuse(w, &concurrent)
		return
	}
	body, err := io.ReadAll(r.Body)
	payload := sha256.Sum256(body)
	if repeated {
		if payload != first.payload {
			refuse(w, &otherPayload)
			return
		}
		accept(w, first.id)
		return
	}
	id := ""
	if err == nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		id = execute(w, r)
	}
	k.end(key, payload, id)
}

// begin returns what is remembered of a key. If that is nothing, it remembers that a request is in progress.
func (k *keys) begin(key string) (first request, repeated bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.known[key]; r != nil && (!r.ended || k.now().Sub(r.at) < kept) {
		return *r, true
	}
	k.known[key] = &request{at: k.now()}
	return request{}, false
}

// end remembers the message that the first request under a key has made, or forgets the key.
func (k *keys) end(key string, payload [sha256.Size]byte, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if id == "" {
		delete(k.known, key)
		return
	}
	r := k.known[key]
	r.ended, r.payload, r.id = true, payload, id
}

var (
	concurrent = wrong{
		http.StatusConflict, "concurrent_idempotent_requests", "Same idempotency key used while original request is still in progress.",
	}
	otherPayload = wrong{http.StatusConflict, "invalid_idempotent_request", "Same idempotency key used with a different request payload."}
)
