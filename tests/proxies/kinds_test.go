//go:build interop

package proxies

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"patchbay/tests/gateway"
)

// call is what one client says at once, and what it must hear.
type call struct {
	text    string
	methods []string // of the requests in text
	ids     []string // of them
	status  []int    // of the answers
	own     func(answers []gateway.Answer) error
	spoils  bool // what follows on its connection could be taken for a part of it
	// strange is a text that a proxy may take otherwise, or refuse by itself. There is
	// perhaps no answer to it; there is none that is another's.
	strange bool
}

// shopper makes calls. It has things of its own at the gateway.
type shopper struct {
	random  *rand.Rand
	key     string // the line of an API key
	name    string
	n       int
	paid    []paid
	user    string
	email   string
	version string
}

// paid is a payment of the shopper's.
type paid struct {
	id, n, text string // text is the request, but for its id
	refunded    int
}

// kinds are the calls there are, with how often each is made.
var kinds = []struct {
	name  string
	share int
	make  func(s *shopper, id string) call
}{
	{"a payment", 12, (*shopper).pay},
	{"a payment in chunks", 6, (*shopper).payInChunks},
	{"a payment again", 8, (*shopper).payAgain},
	{"a payment that is read", 14, (*shopper).readPayment},
	{"a refund", 5, (*shopper).refund},
	{"a user", 5, (*shopper).createUser},
	{"a user that is read", 8, (*shopper).readUser},
	{"a user with an old version", 4, (*shopper).staleVersion},
	{"an email with an attachment", 2, (*shopper).mail},
	{"HEAD", 5, (*shopper).head},
	{"the document", 1, (*shopper).document},
	{"nothing there", 5, (*shopper).nothing},
	{"another method", 4, (*shopper).anotherMethod},
	{"a method of its own", 2, (*shopper).ownMethod},
	{"no key, and a request in the body", 6, (*shopper).noKey},
	{"no route, and a request in the body", 6, (*shopper).noRoute},
	{"no route, and a long body in chunks", 3, (*shopper).longChunks},
	{"a body on GET", 5, (*shopper).bodyOnGet},
	{"an Idempotency-Key that is none", 4, (*shopper).badKey},
	{"another type of content", 4, (*shopper).badType},
	{"a body that is too large", 1, (*shopper).tooLarge},
	{"a webhook that nobody signed", 4, (*shopper).webhook},
	{"a client that waits to be asked", 3, (*shopper).waits},
	{"two at once", 4, (*shopper).pipelined},
	{"what can be read in two ways", 6, (*shopper).ambiguous},
	{"a body that breaks off", 2, (*shopper).breaksOff},
}

func (s *shopper) one(method, path, id, body string, status int, own func(gateway.Answer) error, lines ...string) call {
	return call{
		text: request(method, path, id, body, append([]string{s.key}, lines...)...), methods: []string{method}, ids: []string{id}, status: []int{status},
		own: func(all []gateway.Answer) error { return own(all[0]) },
	}
}

func anything(gateway.Answer) error { return nil }

// has wants a text in the answer.
func has(want string, path ...string) func(gateway.Answer) error {
	return func(a gateway.Answer) error {
		if got := a.Text(path...); got != want {
			return fmt.Errorf("%s is %q, want %q", strings.Join(path, "."), got, want)
		}
		return nil
	}
}

// refused wants an error that names the request.
func refused(id, code string) func(gateway.Answer) error {
	return func(a gateway.Answer) error {
		if a.Text("error", "request_id") != id || code != "" && a.Text("error", "code") != code {
			return fmt.Errorf("it is no %s of %s", code, id)
		}
		return nil
	}
}

func (s *shopper) payment(id string, lines ...string) call {
	body := fmt.Sprintf(`{"amount":%d,"currency":"usd","paymentMethod":"pm_card_visa","confirm":true,"metadata":{"n":%q}}`, 1000+s.n, id)
	text := request("POST", "/api/payments", "ID", body, append([]string{s.key, asJSON, "Idempotency-Key: " + id}, lines...)...)
	return call{
		text: strings.Replace(text, "ID", id, 1), methods: []string{"POST"}, ids: []string{id}, status: []int{201},
		own: func(all []gateway.Answer) error {
			s.paid = append(s.paid, paid{id: all[0].Text("id"), n: id, text: text})
			return has(id, "metadata", "n")(all[0])
		},
	}
}

func (s *shopper) pay(id string) call         { return s.payment(id) }
func (s *shopper) payInChunks(id string) call { return s.payment(id, inChunks) }

// some is a payment of the shopper's.
func (s *shopper) some() *paid { return &s.paid[s.random.IntN(len(s.paid))] }

func (s *shopper) payAgain(id string) call {
	p := s.some()
	return call{
		text: strings.Replace(p.text, "ID", id, 1), methods: []string{"POST"}, ids: []string{id}, status: []int{201},
		own: func(all []gateway.Answer) error {
			if all[0].Header.Get("Idempotency-Replayed") != "true" {
				return fmt.Errorf("it was done again")
			}
			return has(p.id, "id")(all[0])
		},
	}
}

func (s *shopper) readPayment(id string) call {
	p := s.some()
	return s.one("GET", "/api/payments/"+p.id, id, "", 200, has(p.n, "metadata", "n"))
}

func (s *shopper) refund(id string) call {
	p := s.some()
	own := func(a gateway.Answer) error {
		p.refunded++
		return has(p.id, "paymentId")(a)
	}
	return s.one("POST", "/api/payments/"+p.id+"/refunds", id, `{"amount":1}`, 201, own, asJSON, "Idempotency-Key: "+id)
}

func (s *shopper) createUser(id string) call {
	email := id + "@example.com"
	own := func(a gateway.Answer) error {
		s.user, s.email, s.version = a.Text("id"), email, a.Header.Get("ETag")
		return has(email, "email")(a)
	}
	return s.one("POST", "/api/users", id, `{"email":"`+email+`"}`, 201, own, asJSON)
}

func (s *shopper) readUser(id string) call {
	return s.one("GET", "/api/users/"+s.user, id, "", 200, has(s.email, "email"))
}

func (s *shopper) staleVersion(id string) call {
	return s.one("PATCH", "/api/users/"+s.user, id, `{"name":"Ada"}`, 412, refused(id, "version_mismatch"), asJSON, `If-Match: "v99"`)
}

func (s *shopper) mail(id string) call {
	raw, _ := json.Marshal(map[string]any{
		"to": []string{id + "@example.com"}, "from": "shop@example.com", "subject": id, "text": "Hello",
		"attachments": []any{map[string]string{"filename": "a.txt", "contentType": "text/plain", "content": strings.Repeat("QUFB", 50_000)}},
	}) // it is a literal
	return s.one("POST", "/api/emails", id, string(raw), 202, anything, asJSON)
}

func (s *shopper) head(id string) call {
	return s.one("HEAD", "/api/payments/"+s.some().id, id, "", 405, anything)
}

func (s *shopper) document(id string) call {
	return s.one("GET", "/openapi.json", id, "", 200, has("3.0.3", "openapi"))
}

func (s *shopper) nothing(id string) call {
	return s.one("GET", "/api/users/usr_"+id, id, "", 404, refused(id, ""))
}

func (s *shopper) anotherMethod(id string) call {
	return s.one("PUT", "/api/payments", id, s.inner(), 405, refused(id, "method_not_allowed"), asJSON)
}

func (s *shopper) ownMethod(id string) call {
	return s.one("BREW", "/api/payments", id, "", 501, refused(id, "not_implemented"))
}

// inner is a refund of the shopper's own payment, with the shopper's own key, which nobody
// asks for: it is a body. It ends within a head, so that the head of the next request on
// the connection would complete it.
func (s *shopper) inner() string {
	return strings.Repeat("A", 8192) + "POST /api/payments/" + s.some().id + "/refunds HTTP/1.1\r\nHost: x\r\nX-Request-Id: smuggled\r\nX: "
}

func (s *shopper) noKey(id string) call {
	body := s.inner()
	text := request("POST", "/api/payments", id, body, asJSON)
	return call{text: text, methods: []string{"POST"}, ids: []string{id}, status: []int{401}, own: func(all []gateway.Answer) error { return refused(id, "unauthorized")(all[0]) }}
}

func (s *shopper) noRoute(id string) call {
	return s.one("POST", "/nothing", id, s.inner(), 404, refused(id, "not_found"), asJSON)
}

func (s *shopper) longChunks(id string) call {
	body := strings.Repeat("A", 300<<10) + s.inner()
	return s.one("POST", "/nothing", id, body, 404, refused(id, "not_found"), asJSON, inChunks)
}

func (s *shopper) bodyOnGet(id string) call {
	p := s.some()
	return s.one("GET", "/api/payments/"+p.id, id, s.inner(), 200, has(p.n, "metadata", "n"))
}

func (s *shopper) badKey(id string) call {
	return s.one("POST", "/api/payments", id, s.inner(), 400, refused(id, "invalid_idempotency_key"), asJSON, `Idempotency-Key: "k";a=1`)
}

func (s *shopper) badType(id string) call {
	return s.one("POST", "/api/payments", id, s.inner(), 415, refused(id, ""), "Content-Type: text/plain")
}

func (s *shopper) tooLarge(id string) call {
	return s.one("POST", "/api/payments", id, strings.Repeat("A", 1<<20)+s.inner(), 413, refused(id, "body_too_large"), asJSON)
}

func (s *shopper) webhook(id string) call {
	return s.one("POST", "/api/webhooks/nobody", id, s.inner(), 404, refused(id, ""), asJSON)
}

func (s *shopper) waits(id string) call {
	return s.one("POST", "/nothing", id, s.inner(), 404, refused(id, "not_found"), "Expect: 100-continue")
}

func (s *shopper) pipelined(id string) call {
	p := s.some()
	first, second := id+"a", id+"b"
	return call{
		text: request("GET", "/api/payments/"+p.id, first, "", s.key) + request("GET", "/api/users/usr_"+second, second, "", s.key), methods: []string{"GET", "GET"},
		ids: []string{first, second}, status: []int{200, 404},
		own: func(all []gateway.Answer) error {
			if err := has(p.n, "metadata", "n")(all[0]); err != nil {
				return err
			}
			return refused(second, "")(all[1])
		},
	}
}

// ambiguous is what issue 12 has of the kind, and more of it.
func (s *shopper) ambiguous(id string) call {
	text := request("POST", "/nothing", id, s.inner(), s.key, asJSON)
	line := func(old, replaced string) string { return strings.Replace(text, old, replaced, 1) }
	ways := []string{
		line("Content-Length:", "Content-Length: 5\r\nContent-Length:"),
		line("Content-Length:", "Transfer-Encoding: chunked\r\nContent-Length:"),
		line("Content-Length:", "Transfer-Encoding: xchunked\r\nContent-Length:"),
		line("Content-Length:", "Transfer-Encoding: gzip, chunked\r\nX:"),
		line("Content-Length:", "Transfer-Encoding: chunked, identity\r\nX:"),
		line("Content-Length:", "Transfer-Encoding:\vchunked\r\nX:"),
		line("Content-Length:", "Content-Length : 5\r\nContent-Length:"),
		line("Content-Length:", "X: y\r\n Content-Length: 5\r\nContent-Length:"),
		line("Content-Length:", "X: y\nContent-Length: 5\r\nContent-Length:"),
		line("Content-Length:", "X: y\x00Content-Length: 5\r\nContent-Length:"),
		line("Content-Length:", "Content-Length: +"),
		line("Content-Length:", "Content-Length: 9223372036854775808\r\nX:"),
		line("Host: api.example\r\n", ""),
		line("Host: api.example\r\n", "Host: api.example\r\nHost: b\r\n"),
		line("HTTP/1.1", "HTTP/1.0"),
		line("HTTP/1.1\r\n", "HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"),
		line("POST /nothing", "POST http://b.example/nothing"),
		line("POST /nothing", "CONNECT api.example:443"),
		line("POST /nothing", "TRACE /nothing"),
		line("Host:", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nHost:"),
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	}
	return call{text: ways[s.random.IntN(len(ways))], methods: []string{"POST"}, ids: []string{id}, spoils: true, strange: true}
}

func (s *shopper) breaksOff(id string) call {
	text := request("POST", "/nothing", id, s.inner(), s.key, asJSON)
	return call{text: text[:len(text)-50], ids: []string{id}, spoils: true, strange: true}
}
