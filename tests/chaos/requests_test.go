package chaos_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"patchbay/tests/gateway"
)

// keyedRequest is a request under an idempotency key, and its final answer.
type keyedRequest struct {
	key, path, body string
	status          int
	id, state       string
	forgotten       bool // answered between backup and restore
}

// mail reports whether the request creates an email.
func (r *keyedRequest) mail() bool { return r.path == "/api/emails" }

// atMostOnce reports whether the request creates an email that must not go out twice.
func (r *keyedRequest) atMostOnce() bool { return strings.Contains(r.body, "at_most_once") }

// ask repeats a request at any gateway until it has a final answer. If it has none before ctx ends,
// r is nil and last is the last answer.
func (s *scenario) ask(ctx context.Context, key, path, body string) (r *keyedRequest, last string) {
	for ctx.Err() == nil {
		r, answer := s.try(ctx, key, path, body)
		if r != nil {
			return r, ""
		}
		if ctx.Err() == nil || last == "" { // otherwise the answer is that ctx ended
			last = answer
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // it is down, or working on the request
		}
	}
	return nil, last
}

// try makes a request once. r is nil if the answer is not final.
func (s *scenario) try(ctx context.Context, key, path, body string) (r *keyedRequest, answer string) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	g := s.all[s.random.n(len(s.all))]
	waiting, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	a, err := gateway.Send(waiting, http.MethodPost, g.Base+path, []byte(body),
		gateway.Header{"Content-Type": "application/json"}, gateway.Key(key))
	if err != nil {
		return nil, err.Error()
	}
	answer = fmt.Sprintf("%d %s", a.Status, a.Body)
	switch {
	case a.Status < 300, a.Status == http.StatusPaymentRequired:
	case a.Status >= 500, a.Status == http.StatusTooManyRequests, a.Status == http.StatusConflict && transientCodes[a.Code()]:
		return nil, answer
	case a.Status == http.StatusNotFound && s.isReplaying():
		return nil, answer // its payment will be created again
	case a.Code() == "unexpected_state" && s.wasRestored():
		// The provider has executed it, and the restored store does not know the key.
	default:
		s.problem("unexpected answers", "%s %s: %s", path, key, answer)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &keyedRequest{key: key, path: path, body: body, status: a.Status, id: a.Text("id"), state: a.Text("status"), forgotten: s.afterBackup}, answer
}

func (s *scenario) isReplaying() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaying
}

func (s *scenario) wasRestored() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restored
}

// transientCodes are the codes of conflicts that end by themselves.
var transientCodes = map[string]bool{"idempotency_key_in_flight": true, "operation_in_progress": true}

// keep records a request that has a final answer.
func (s *scenario) keep(r *keyedRequest, _ string) *keyedRequest {
	if r != nil {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
	}
	return r
}

// pay creates one payment, and captures or refunds some of them.
func (s *scenario) pay(ctx context.Context, n int) {
	key, method, manual := fmt.Sprint("order-", n), "pm_card_visa", ""
	switch n % 10 {
	case 7:
		method = "pm_card_chargeDeclined"
	case 8:
		manual = `,"captureMethod":"manual"`
	}
	methods := fmt.Sprintf(`{"stripe":%q,"stripe-eu":%[1]q}`, method)
	r := s.keep(s.ask(ctx, key, "/api/payments", fmt.Sprintf(
		`{"amount":1999,"currency":"usd","confirm":true,"paymentMethods":%s,"metadata":{"order":%q}%s}`, methods, key, manual)))
	switch {
	case r == nil || r.status >= 300:
	case n%10 == 8 && r.state == "requires_capture":
		s.keep(s.ask(ctx, key+"-capture", "/api/payments/"+r.id+"/capture", `{"amount":1500}`))
	case n%10 == 9 && r.state == "succeeded":
		s.keep(s.ask(ctx, key+"-refund", "/api/payments/"+r.id+"/refunds", `{"amount":500}`))
	}
}

// write creates one email.
func (s *scenario) write(ctx context.Context, n int) {
	key, promise := fmt.Sprint("mail-", n), "at_least_once"
	if n%2 == 0 {
		promise = "at_most_once"
	}
	s.keep(s.ask(ctx, key, "/api/emails", fmt.Sprintf(
		`{"to":["ada@example.com"],"subject":%q,"text":"Hello","delivery":%q,"metadata":{"order":%[1]q}}`, key, promise)))
}

// startCallers makes n payments and n emails, in as many goroutines as there are clients.
func (s *scenario) startCallers(ctx context.Context, n int) (done *atomic.Int64, wait func()) {
	done = new(atomic.Int64)
	var next atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= 2*n {
					return
				}
				if i%2 == 0 {
					s.pay(ctx, i/2)
				} else {
					s.write(ctx, i/2)
				}
				done.Add(1)
			}
		})
	}
	return done, all.Wait
}

// repeat sends every request again under its key, captures and refunds after their payment. The
// answer must be about the same object and have the same outcome.
func (s *scenario) repeat(ctx context.Context, all []*keyedRequest, when string) {
	chains := map[string][]*keyedRequest{}
	for _, r := range all {
		first := strings.TrimSuffix(strings.TrimSuffix(r.key, "-capture"), "-refund")
		chains[first] = append(chains[first], r)
	}
	work := make(chan []*keyedRequest)
	var done sync.WaitGroup
	for range clients {
		done.Go(func() {
			for chain := range work {
				for _, r := range chain {
					now, last := s.ask(ctx, r.key, r.path, r.body)
					s.same(r, now, last, when)
				}
			}
		})
	}
	for _, chain := range chains {
		work <- chain
	}
	close(work)
	done.Wait()
}

// same compares the answer to a repeated request with the first one.
func (s *scenario) same(then, now *keyedRequest, last, when string) {
	switch {
	case now == nil:
		s.problem("keys without an answer "+when, "%s, first answered %d, now: %s", then.key, then.status, last)
	case now.status == http.StatusPaymentRequired && strings.Contains(now.body, "chargeDeclined"): // the decline was not known at first
	case now.status == http.StatusConflict: // checked by try
	case then.status == http.StatusPaymentRequired && now.status == http.StatusAccepted && s.isReplaying(): // the decline is not known yet
	case now.id != then.id && !strings.HasSuffix(then.key, "-refund"): // a refund has another id in another store
		s.problem("keys that stand for another object "+when, "%s: got %d %s %s, want %d %s", then.key, now.status, now.state, now.id, then.status, then.id)
	case then.status == http.StatusPaymentRequired && now.status != then.status:
		s.problem("declines that did not stay "+when, "%s: got %d %s, want 402", then.key, now.status, now.state)
	}
}
