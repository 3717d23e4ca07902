package chaos_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"patchbay/tests/gateway"
	"patchbay/tests/openapi"
)

const (
	emails     = 6 // few, so that requests for one address overlap
	checkLimit = 20 * time.Second
)

// history records the requests of clients for the users of a few email addresses, and the answers.
// Each address has a history of its own, because no user changes its address.
type history struct {
	fleet fleet
	began time.Time

	mu       sync.Mutex
	ops      map[string][]porcupine.Operation // by email
	known    map[string]account               // the user last seen, by email
	ids      map[string]string                // of each user, by its idempotency key
	doubtful int
	seq      int
}

// account is what a client knows of a user.
type account struct {
	person
	id   string
	gone bool
}

// startHistories lets n clients make requests until stop is called, with a random pause of up to
// thinks between two requests.
func (f fleet) startHistories(t *testing.T, n int, thinks time.Duration) (h *history, stop func()) {
	h = &history{
		fleet: f, began: time.Now(), ops: make(map[string][]porcupine.Operation), known: make(map[string]account),
		ids: make(map[string]string),
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for id := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				h.step(t, id)
				select {
				case <-ctx.Done():
				case <-time.After(rand.N(thinks)):
				}
			}
		})
	}
	return h, func() {
		cancel()
		all.Wait()
	}
}

// count returns the number of operations.
func (h *history) count() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ops := range h.ops {
		n += len(ops)
	}
	return n
}

// step makes a request that fits what is known of the user of a random address.
func (h *history) step(t *testing.T, client int) {
	address := fmt.Sprintf("history%d@example.com", rand.IntN(emails))
	h.mu.Lock()
	who := h.known[address]
	h.seq++
	fresh := fmt.Sprintf("n%d", h.seq)
	h.mu.Unlock()

	q := request{by: who.by, name: fresh}
	if rand.IntN(2) == 0 {
		q.version = who.version
	}
	switch dice := rand.IntN(100); {
	case dice < 10:
		q.do, q.by, q.name, q.version = find, "", "", 0
	case who.id == "" || dice < 15 || who.gone && dice < 70:
		q.do, q.by, q.version = create, fresh, 0
	case dice < 50:
		q.do, q.name, q.version = read, "", 0
	case dice < 95:
		q.do = change
	default:
		q.do, q.name = remove, ""
	}
	for again := 0; ; again++ { // a create is repeated under its key until it is answered, but not for ever
		r, known := h.ask(t, client, address, who.id, q)
		if known && r.outcome != "" || q.do != create || again == 5 {
			return
		}
	}
}

// ask makes one request at any gateway and adds it to the history. known is false if it had no
// effect and has no answer.
func (h *history) ask(t *testing.T, client int, address, id string, q request) (r reply, known bool) {
	g := h.fleet[rand.IntN(len(h.fleet))]
	method, path, body, headers := q.http(address, id)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	called := time.Since(h.began)
	a, err := gateway.Send(ctx, method, g.Base+path, body, headers...)
	returned := time.Since(h.began)
	r, id, known = parseAnswer(t, q, a, err)
	if !known {
		return r, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	op := porcupine.Operation{ClientId: client, Input: q, Output: r, Call: int64(called), Return: int64(returned)}
	if r.outcome == "" {
		op.Return = never
		h.doubtful++
	}
	h.ops[address] = append(h.ops[address], op)
	h.learn(t, address, id, q, r)
	return r, true
}

// learn keeps which user has the address, for the next request.
func (h *history) learn(t *testing.T, address, id string, q request, r reply) {
	if who := h.known[address]; r.outcome == absent && q.by == who.by || r.outcome == done && q.do == remove && q.by == who.by {
		who.gone = true
		h.known[address] = who
	}
	if r.seen.by == "" {
		return
	}
	if before, ok := h.ids[r.seen.by]; ok && before != id {
		t.Errorf("key %s made %s and %s, want one user", r.seen.by, before, id)
	}
	h.ids[r.seen.by] = id
	h.known[address] = account{r.seen, id, false}
}

// http returns a request as it is sent.
func (q request) http(address, id string) (method, path string, body []byte, headers []gateway.Header) {
	if q.version != 0 {
		headers = append(headers, gateway.Header{"If-Match": fmt.Sprintf(`"v%d"`, q.version)})
	}
	fields := map[string]any{"name": q.name}
	switch q.do {
	case read:
		return http.MethodGet, "/api/users/" + id, nil, nil
	case find:
		return http.MethodGet, "/api/users?email=" + address, nil, nil
	case remove:
		return http.MethodDelete, "/api/users/" + id, nil, headers
	case create:
		method, path = http.MethodPost, "/api/users"
		fields["email"], fields["metadata"] = address, map[string]string{"by": q.by}
		headers = append(headers, gateway.Key("history-"+q.by))
	case change:
		method, path = http.MethodPatch, "/api/users/"+id
	}
	body, _ = json.Marshal(fields) // strings can always be encoded
	return method, path, body, append(headers, gateway.Header{"Content-Type": "application/json"})
}

// parseAnswer reads an answer. known is false if the request had no effect and no answer.
func parseAnswer(t *testing.T, q request, a gateway.Answer, err error) (r reply, id string, known bool) {
	var dial *net.OpError
	reads := q.do == read || q.do == find
	switch {
	// A request with a key may have been sent before: net/http sends it once more
	// where the connection ended without an answer.
	case errors.As(err, &dial) && dial.Op == "dial" && q.do != create:
		return reply{}, "", false
	case errors.Is(err, openapi.ErrUndocumented):
		t.Error(err)
		return reply{}, "", false
	case err != nil, a.Status == http.StatusServiceUnavailable && a.Code() == "unknown_outcome":
		return reply{}, "", !reads
	case a.Status == http.StatusServiceUnavailable, a.Status == http.StatusTooManyRequests:
		return reply{}, "", false
	case a.Status == http.StatusNoContent:
		return reply{outcome: done}, "", true
	case a.Status == http.StatusNotFound:
		return reply{outcome: absent}, "", true
	case a.Status == http.StatusPreconditionFailed, a.Status == http.StatusConflict:
		return reply{outcome: a.Code()}, "", true
	case a.Status >= 300:
		t.Errorf("%s: got an unexpected %d %s", q.do, a.Status, a.Body)
		return reply{}, "", false
	}
	u := a.JSON
	if q.do == find {
		if len(a.Data()) == 0 {
			return reply{outcome: absent}, "", true
		}
		u = a.Data()[0]
	}
	seen := gateway.Answer{JSON: u}
	return reply{done, person{seen.Text("metadata", "by"), seen.Text("name"), seen.Number("version")}}, seen.Text("id"), true
}

// check reads every address once more, and then checks that each history is linearizable: that one
// gateway alone could have given the same answers in some order.
func (h *history) check(t *testing.T) {
	t.Helper()
	for n := range emails {
		address := fmt.Sprintf("history%d@example.com", n)
		gateway.Eventually(t, time.Minute, address+" is read", func() bool {
			_, known := h.ask(t, 0, address, "", request{do: find})
			return known
		})
	}
	began := time.Now()
	longest := 0
	for address, ops := range h.ops {
		longest = max(longest, len(ops))
		if got := porcupine.CheckOperationsTimeout(users, ops, checkLimit); got != porcupine.Ok {
			t.Errorf("the history of %s: got %s, want Ok:\n%s", address, got, format(ops))
		}
	}
	t.Logf("%d operations on the users of %d emails, at most %d on one; of %d the outcome is not known; checked in %s",
		h.count(), len(h.ops), longest, h.doubtful, time.Since(began).Round(time.Millisecond))
}

// format returns a history as text, in the order of the requests.
func format(ops []porcupine.Operation) string {
	ops = slices.SortedFunc(slices.Values(ops), func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var b strings.Builder
	for _, op := range ops {
		end := "never"
		if op.Return != never {
			end = time.Duration(op.Return).Round(time.Microsecond).String()
		}
		fmt.Fprintf(&b, "%14s … %-14s client %d: %+v → %+v\n", time.Duration(op.Call).Round(time.Microsecond), end, op.ClientId, op.Input, op.Output)
	}
	return b.String()
}
