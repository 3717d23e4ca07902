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

// errand is a request that was made under a key, and how it was answered for good.
type errand struct {
	key, path, body string
	status          int
	id, state       string
	forgotten       bool // answered while a store was at work that was replaced by an older one
}

// mail reports whether it is a message.
func (r *errand) mail() bool { return r.path == "/api/emails" }

// once reports whether it is a message that must not go out twice.
func (r *errand) once() bool { return strings.Contains(r.body, "at_most_once") }

// ask makes a request until it is answered for good, by any gateway, and nil where it
// never is: last says then what the last answer was.
func (s *street) ask(ctx context.Context, key, path, body string) (r *errand, last string) {
	for ctx.Err() == nil {
		r, said := s.try(ctx, key, path, body)
		if r != nil {
			return r, ""
		}
		if ctx.Err() == nil || last == "" { // else it is that nobody waited any longer
			last = said
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // it is down, or at it
		}
	}
	return nil, last
}

// try makes a request once. It is nil where there is no answer for good, and said is what
// it was answered.
func (s *street) try(ctx context.Context, key, path, body string) (r *errand, said string) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	g := s.all[s.luck.n(len(s.all))]
	waiting, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	a, err := gateway.Send(waiting, http.MethodPost, g.Base+path, []byte(body),
		gateway.Header{"Content-Type": "application/json"}, gateway.Key(key))
	if err != nil {
		return nil, err.Error()
	}
	said = fmt.Sprintf("%d %s", a.Status, a.Body)
	switch {
	case a.Status < 300, a.Status == http.StatusPaymentRequired:
	case a.Status >= 500, a.Status == http.StatusTooManyRequests, a.Status == http.StatusConflict && waits[a.Code()]:
		return nil, said
	case a.Status == http.StatusNotFound && s.isReplaying():
		return nil, said // its payment comes again
	case a.Code() == "unexpected_state" && s.putBackOnce():
		// The provider has done it, and the key was forgotten: it is told how things stand.
	default:
		s.wrong("an answer that nothing explains", "%s %s: %s", path, key, said)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &errand{key: key, path: path, body: body, status: a.Status, id: a.Text("id"), state: a.Text("status"), forgotten: s.window}, said
}

func (s *street) isReplaying() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaying
}

func (s *street) putBackOnce() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.older
}

// waits are the codes of what will be over soon.
var waits = map[string]bool{"idempotency_key_in_flight": true, "operation_in_progress": true}

// keep notes a request that was answered for good.
func (s *street) keep(r *errand, _ string) *errand {
	if r != nil {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
	}
	return r
}

// pay makes one payment, and does with it what comes next.
func (s *street) pay(ctx context.Context, n int) {
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

// write sends one message.
func (s *street) write(ctx context.Context, n int) {
	key, promise := fmt.Sprint("mail-", n), "at_least_once"
	if n%2 == 0 {
		promise = "at_most_once"
	}
	s.keep(s.ask(ctx, key, "/api/emails", fmt.Sprintf(
		`{"to":["ada@example.com"],"subject":%q,"text":"Hello","delivery":%q,"metadata":{"order":%[1]q}}`, key, promise)))
}

// shoppers make n payments and n messages, as many at a time as there are clients.
func (s *street) shoppers(ctx context.Context, n int) (done *atomic.Int64, wait func()) {
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

// repeat sends every key again, each after those that it follows. It must be answered
// as it was: the same thing, and the same way.
func (s *street) repeat(ctx context.Context, all []*errand, when string) {
	chains := map[string][]*errand{}
	for _, r := range all {
		first := strings.TrimSuffix(strings.TrimSuffix(r.key, "-capture"), "-refund")
		chains[first] = append(chains[first], r)
	}
	work := make(chan []*errand)
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

func (s *street) same(then, now *errand, last, when string) {
	switch {
	case now == nil:
		s.wrong("a key that is not answered any more "+when, "%s, which was answered %d at first: %s", then.key, then.status, last)
	case now.status == http.StatusPaymentRequired && strings.Contains(now.body, "chargeDeclined"): // it was not known at first
	case now.status == http.StatusConflict: // judged where it was answered
	case then.status == http.StatusPaymentRequired && now.status == http.StatusAccepted && s.isReplaying(): // not known yet
	case now.id != then.id && !strings.HasSuffix(then.key, "-refund"): // a refund has another id in another store
		s.wrong("a key that stands for something else "+when, "%s: %d %s %s was %d %s", then.key, now.status, now.state, now.id, then.status, then.id)
	case then.status == http.StatusPaymentRequired && now.status != then.status:
		s.wrong("a decline that is none any more "+when, "%s: %d %s", then.key, now.status, now.state)
	}
}
