//go:build interop

package proxies

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"patchbay/tests/gateway"
)

// call is what a client sends at once, and the answers that it must get.
type call struct {
	text    string
	methods []string // of the requests in text
	ids     []string // of them
	status  []int    // of the answers
	own     func(answers []gateway.Answer) error
	spoils  bool // what follows on its connection could be read as a part of it
	// strange means that a proxy may read the text in another way, or refuse it itself. There may
	// be no answer to it, but never the answer to another request.
	strange bool
}

// apiClient makes calls. It has payments and a user of its own at the gateway.
type apiClient struct {
	random  *rand.Rand
	key     string // the line of an API key
	name    string
	n       int
	paid    []paid
	user    string
	email   string
	version string
}

// paid is a payment of the client.
type paid struct {
	id, n, text string // text is the request without its id
	refunded    int
}

// kinds are the kinds of calls, each with its relative frequency.
var kinds = []struct {
	name  string
	share int
	make  func(s *apiClient, id string) call
}{
	{"a payment", 12, (*apiClient).pay},
	{"a payment in chunks", 6, (*apiClient).payInChunks},
	{"a payment again", 8, (*apiClient).payAgain},
	{"a payment that is read", 14, (*apiClient).readPayment},
	{"a refund", 5, (*apiClient).refund},
	{"a user", 5, (*apiClient).createUser},
	{"a user that is read", 8, (*apiClient).readUser},
	{"a user with an old version", 4, (*apiClient).staleVersion},
	{"an email with an attachment", 2, (*apiClient).mail},
	{"HEAD", 5, (*apiClient).head},
	{"the document", 1, (*apiClient).document},
	{"an unknown user", 5, (*apiClient).nothing},
	{"another method", 4, (*apiClient).anotherMethod},
	{"an unknown method", 2, (*apiClient).ownMethod},
	{"no key, and a request in the body", 6, (*apiClient).noKey},
	{"no route, and a request in the body", 6, (*apiClient).noRoute},
	{"no route, and a long body in chunks", 3, (*apiClient).longChunks},
	{"a body on GET", 5, (*apiClient).bodyOnGet},
	{"an invalid Idempotency-Key", 4, (*apiClient).badKey},
	{"another type of content", 4, (*apiClient).badType},
	{"a body that is too large", 1, (*apiClient).tooLarge},
	{"an unsigned webhook", 4, (*apiClient).webhook},
	{"Expect: 100-continue", 3, (*apiClient).waits},
	{"two at once", 4, (*apiClient).pipelined},
	{"an ambiguous request", 6, (*apiClient).ambiguous},
	{"a body that breaks off", 2, (*apiClient).breaksOff},
}

func (s *apiClient) one(method, path, id, body string, status int, own func(gateway.Answer) error, lines ...string) call {
	return call{
		text: request(method, path, id, body, append([]string{s.key}, lines...)...), methods: []string{method}, ids: []string{id}, status: []int{status},
		own: func(all []gateway.Answer) error { return own(all[0]) },
	}
}

func anything(gateway.Answer) error { return nil }

// has checks a text in the answer.
func has(want string, path ...string) func(gateway.Answer) error {
	return func(a gateway.Answer) error {
		if got := a.Text(path...); got != want {
			return fmt.Errorf("%s is %q, want %q", strings.Join(path, "."), got, want)
		}
		return nil
	}
}

// refused checks that the answer is an error that names the request.
func refused(id, code string) func(gateway.Answer) error {
	return func(a gateway.Answer) error {
		if a.Text("error", "request_id") != id || code != "" && a.Text("error", "code") != code {
			return fmt.Errorf("got %s, want error code %q for request %s", a.Body, code, id)
		}
		return nil
	}
}

func (s *apiClient) payment(id string, lines ...string) call {
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

func (s *apiClient) pay(id string) call         { return s.payment(id) }
func (s *apiClient) payInChunks(id string) call { return s.payment(id, inChunks) }

// somePayment returns a random payment of the client.
func (s *apiClient) somePayment() *paid { return &s.paid[s.random.IntN(len(s.paid))] }

func (s *apiClient) payAgain(id string) call {
	p := s.somePayment()
	return call{
		text: strings.Replace(p.text, "ID", id, 1), methods: []string{"POST"}, ids: []string{id}, status: []int{201},
		own: func(all []gateway.Answer) error {
			if all[0].Header.Get("Idempotency-Replayed") != "true" {
				return fmt.Errorf("got a new payment, want a replayed answer")
			}
			return has(p.id, "id")(all[0])
		},
	}
}

func (s *apiClient) readPayment(id string) call {
	p := s.somePayment()
	return s.one("GET", "/api/payments/"+p.id, id, "", 200, has(p.n, "metadata", "n"))
}

func (s *apiClient) refund(id string) call {
	p := s.somePayment()
	own := func(a gateway.Answer) error {
		p.refunded++
		return has(p.id, "paymentId")(a)
	}
	return s.one("POST", "/api/payments/"+p.id+"/refunds", id, `{"amount":1}`, 201, own, asJSON, "Idempotency-Key: "+id)
}

func (s *apiClient) createUser(id string) call {
	email := id + "@example.com"
	own := func(a gateway.Answer) error {
		s.user, s.email, s.version = a.Text("id"), email, a.Header.Get("ETag")
		return has(email, "email")(a)
	}
	return s.one("POST", "/api/users", id, `{"email":"`+email+`"}`, 201, own, asJSON)
}

func (s *apiClient) readUser(id string) call {
	return s.one("GET", "/api/users/"+s.user, id, "", 200, has(s.email, "email"))
}

func (s *apiClient) staleVersion(id string) call {
	return s.one("PATCH", "/api/users/"+s.user, id, `{"name":"Ada"}`, 412, refused(id, "version_mismatch"), asJSON, `If-Match: "v99"`)
}

func (s *apiClient) mail(id string) call {
	raw, _ := json.Marshal(map[string]any{
		"to": []string{id + "@example.com"}, "from": "shop@example.com", "subject": id, "text": "Hello",
		"attachments": []any{map[string]string{"filename": "a.txt", "contentType": "text/plain", "content": strings.Repeat("QUFB", 50_000)}},
	}) // a literal can always be encoded
	return s.one("POST", "/api/emails", id, string(raw), 202, anything, asJSON)
}

func (s *apiClient) head(id string) call {
	return s.one("HEAD", "/api/payments/"+s.somePayment().id, id, "", 405, anything)
}

func (s *apiClient) document(id string) call {
	return s.one("GET", "/openapi.json", id, "", 200, has("3.0.3", "openapi"))
}

func (s *apiClient) nothing(id string) call {
	return s.one("GET", "/api/users/usr_"+id, id, "", 404, refused(id, ""))
}

func (s *apiClient) anotherMethod(id string) call {
	return s.one("PUT", "/api/payments", id, s.inner(), 405, refused(id, "method_not_allowed"), asJSON)
}

func (s *apiClient) ownMethod(id string) call {
	return s.one("BREW", "/api/payments", id, "", 501, refused(id, "not_implemented"))
}

// inner is a body that looks like a refund of the client's own payment. It ends within a head, so
// that the head of the next request on the connection would complete it.
func (s *apiClient) inner() string {
	return strings.Repeat("A", 8192) + "POST /api/payments/" + s.somePayment().id + "/refunds HTTP/1.1\r\nHost: x\r\nX-Request-Id: smuggled\r\nX: "
}

func (s *apiClient) noKey(id string) call {
	body := s.inner()
	text := request("POST", "/api/payments", id, body, asJSON)
	return call{text: text, methods: []string{"POST"}, ids: []string{id}, status: []int{401}, own: func(all []gateway.Answer) error { return refused(id, "unauthorized")(all[0]) }}
}

func (s *apiClient) noRoute(id string) call {
	return s.one("POST", "/nothing", id, s.inner(), 404, refused(id, "not_found"), asJSON)
}

func (s *apiClient) longChunks(id string) call {
	body := strings.Repeat("A", 300<<10) + s.inner()
	return s.one("POST", "/nothing", id, body, 404, refused(id, "not_found"), asJSON, inChunks)
}

func (s *apiClient) bodyOnGet(id string) call {
	p := s.somePayment()
	return s.one("GET", "/api/payments/"+p.id, id, s.inner(), 200, has(p.n, "metadata", "n"))
}

func (s *apiClient) badKey(id string) call {
	return s.one("POST", "/api/payments", id, s.inner(), 400, refused(id, "invalid_idempotency_key"), asJSON, `Idempotency-Key: "k";a=1`)
}

func (s *apiClient) badType(id string) call {
	return s.one("POST", "/api/payments", id, s.inner(), 415, refused(id, ""), "Content-Type: text/plain")
}

func (s *apiClient) tooLarge(id string) call {
	return s.one("POST", "/api/payments", id, strings.Repeat("A", 1<<20)+s.inner(), 413, refused(id, "body_too_large"), asJSON)
}

func (s *apiClient) webhook(id string) call {
	return s.one("POST", "/api/webhooks/unknown", id, s.inner(), 404, refused(id, ""), asJSON)
}

func (s *apiClient) waits(id string) call {
	return s.one("POST", "/nothing", id, s.inner(), 404, refused(id, "not_found"), "Expect: 100-continue")
}

func (s *apiClient) pipelined(id string) call {
	p := s.somePayment()
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

// ambiguous returns a request whose end or target can be read in more than one way.
func (s *apiClient) ambiguous(id string) call {
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

func (s *apiClient) breaksOff(id string) call {
	text := request("POST", "/nothing", id, s.inner(), s.key, asJSON)
	return call{text: text[:len(text)-50], ids: []string{id}, spoils: true, strange: true}
}
