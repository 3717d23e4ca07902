package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// paid returns a payment that has succeeded, and the path of its refunds.
func paid(t *testing.T, g *gateway.Gateway) (id, refunds string) {
	t.Helper()
	p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa"))
	if p.Status != 201 {
		t.Fatalf("got %d %s, want 201", p.Status, p.Body)
	}
	return p.Text("id"), "/api/payments/" + p.Text("id") + "/refunds"
}

// keyed returns the headers of a request with a body and an idempotency key.
func keyed(key string) gateway.Header {
	return gateway.Header{"Content-Type": "application/json", "Idempotency-Key": key}
}

func TestNullMovesNoMoney(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	id, refunds := paid(t, g)
	held := g.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"captureMethod": "manual"}))
	capture := "/api/payments/" + held.Text("id") + "/capture"
	for _, row := range []struct{ path, body, param string }{
		{refunds, `{"amount":null}`, "amount"},
		{refunds, `null`, ""},
		{capture, `{"amount":null}`, "amount"},
		{capture, `null`, ""},
		{"/api/payments/" + held.Text("id") + "/cancel", `null`, ""},
		{"/api/payments", `{"amount":500,"currency":"usd","metadata":{"a":null}}`, "metadata.a"},
		{"/api/payments", `{"amount":null,"currency":"usd"}`, "amount"},
		{"/api/users", `{"email":null}`, "email"},
		{"/api/users", `null`, ""},
	} {
		a := g.Wrong(t, "POST", row.path, []byte(row.body), keyed("null"))
		if shaped(t, a, 400, row.param); a.Code() != "null_not_allowed" {
			t.Errorf("%s %s: got %s, want code null_not_allowed", row.path, row.body, a.Body)
		}
	}
	if c := g.Charges(t); len(c) != 2 || c[id][0].Refunded != 0 || c[held.Text("id")][0].Captured != 0 {
		t.Errorf("got %+v, want 2 entries, refunded 0, captured 0", c)
	}
}

// TestNullInAPatchClears checks that a PATCH is a merge patch (RFC 7396).
func TestNullInAPatchClears(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	u := g.Do(t, "POST", "/api/users", object{"email": "ada@example.com", "name": "Ada", "metadata": object{"a": "1", "b": "2"}})
	path := "/api/users/" + u.Text("id")
	patch := func(body string) gateway.Answer {
		return g.Wrong(t, "PATCH", path, []byte(body), gateway.Header{"Content-Type": "application/json"})
	}
	if a := patch(`{"metadata":{"a":null}}`); a.Status != 200 || a.Text("metadata", "b") != "2" || strings.Contains(string(a.Body), `"a":`) {
		t.Errorf("a key of metadata: got %d %s, want 200, metadata.b 2, no \"a\": in it", a.Status, a.Body)
	}
	if a := patch(`{"name":null}`); a.Status != 200 || a.Text("name") != "" || a.Text("metadata", "b") != "2" {
		t.Errorf("the name: got %d %s, want 200, no name, metadata.b 2", a.Status, a.Body)
	}
	for _, body := range []string{`{"email":null}`, `null`} {
		if a := patch(body); a.Status != 400 {
			t.Errorf("%s: got %d %s, want 400", body, a.Status, a.Body)
		}
	}
	if a := g.Do(t, "GET", path, nil); a.Number("version") != 3 || a.Text("email") != "ada@example.com" {
		t.Errorf("got %s, want version 3, email ada@example.com", a.Body)
	}
}

// TestOneKeyAtSeveralSpellingsIsOneEffect checks that one idempotency key makes one charge and one
// refund, however the path is spelled.
func TestOneKeyAtSeveralSpellingsIsOneEffect(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	body := []byte(`{"amount":1000,"currency":"usd","paymentMethod":"pm_card_visa","confirm":true}`)
	for path, status := range map[string]int{
		"/api/payments": 201, "/api/payments/": 404, "/API/payments": 404, "/api/payments//": 404, "//api/payments": 404, "/api/%70ayments": 404,
	} {
		if a := g.Wrong(t, "POST", path, body, keyed("order")); a.Status != status {
			t.Errorf("%s: got %d %s, want %v", path, a.Status, a.Body, status)
		}
	}
	charges := g.Charges(t)
	if len(charges) != 1 {
		t.Fatalf("got %d charges, want 1 charge", len(charges))
	}
	for id := range charges {
		encoded := fmt.Sprintf("pay%%5F%s", strings.TrimPrefix(id, "pay_"))
		for path, status := range map[string]int{
			"/api/payments/" + id + "/refunds": 201, "/api/payments/" + encoded + "/refunds": 201, "/api/payments/" + id + "/refunds/": 404,
			"/api/payments//" + id + "/refunds": 404, "/api/Payments/" + id + "/refunds": 404, "/api/payments/" + strings.ToUpper(id) + "/refunds": 404,
		} {
			if a := g.Wrong(t, "POST", path, []byte(`{"amount":100}`), keyed("refund")); a.Status != status {
				t.Errorf("%s: got %d %s, want %v", path, a.Status, a.Body, status)
			}
		}
		if c := g.Charges(t)[id]; len(c) != 1 || c[0].Refunded != 100 {
			t.Errorf("got %+v, want 1 entry, refunded 100", c)
		}
	}
}

// TestAnIdempotencyKeyThatIsNoneIsRefused checks that an invalid idempotency key is refused,
// because its caller relies on its protection.
func TestAnIdempotencyKeyThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	id, refunds := paid(t, g)
	for name, keys := range map[string][]string{
		"empty": {""}, "blank": {"  "}, "an empty string": {`""`}, "a blank string": {`" "`}, "two": {"a", "b"}, "one twice": {"a", "a"},
		"with a parameter": {`"k";a=1`}, "not closed": {`"k`}, "two in one": {`"a", "b"`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", g.Base+refunds, strings.NewReader(`{"amount":100}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": keys}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 400 || !strings.Contains(string(answer), `"invalid_idempotency_key"`) {
			t.Errorf("%s: got %d %s, %v, want 400, \"invalid_idempotency_key\" in it", name, resp.StatusCode, answer, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if c := g.Charges(t)[id]; len(c) != 1 || c[0].Refunded != 0 {
		t.Errorf("got %+v, want 1 entry, refunded 0", c)
	}
}

// raw sends bytes to a gateway, and returns the status and the body of the answer.
func raw(t *testing.T, g *gateway.Gateway, text string) (status int, body string) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(g.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// TestAKeylessGatewayAnswersToItsOwnNameAlone checks that a gateway without API keys refuses
// requests for a foreign host name, from a proxy or from another origin. Otherwise a web page
// elsewhere could reach it.
func TestAKeylessGatewayAnswersToItsOwnNameAlone(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	id, refunds := paid(t, g)
	for head, status := range map[string]int{
		"Host: pay.shop.example": 403, "Host: 127.0.0.1.shop.example": 403, "Host: localhost:1\r\nX-Forwarded-For: 203.0.113.7": 403,
		"Host: localhost:1\r\nForwarded: for=203.0.113.7": 403, "Host: localhost:1\r\nOrigin: https://shop.example": 403,
		"Host: localhost:1\r\nSec-Fetch-Site: cross-site": 403, "Host: localhost:1\r\nOrigin: null": 403,
	} {
		got, body := raw(t, g, "POST "+refunds+" HTTP/1.1\r\n"+head+"\r\nContent-Length: 0\r\nContent-Type: text/plain\r\n\r\n")
		if got != status || !strings.Contains(body, "patchbay keys create") {
			t.Errorf("%q: got %d %s, want %v, \"patchbay keys create\" in it", head, got, body, status)
		}
	}
	if c := g.Charges(t)[id]; len(c) != 1 || c[0].Refunded != 0 {
		t.Errorf("got %+v, want 1 entry, refunded 0", c)
	}
	for _, host := range []string{"localhost", "localhost:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:8080"} {
		if got, body := raw(t, g, "GET /api/payments HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); got != 200 {
			t.Errorf("%s: got %d %s, want 200", host, got, body)
		}
	}
}

// TestFilesComeOverASlowLine checks that the limit for a request body is a rate, not a duration: 3
// MB of files arrive over a slow connection.
func TestFilesComeOverASlowLine(t *testing.T) {
	t.Parallel()
	const size, rate = 3 << 20, 300 << 10 // bytes, and bytes a second
	g := gateway.Start(t)
	mail := mailOf("<p>slow</p>", bytes.Repeat([]byte{1, 2, 3}, size*3/4/3))
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(g.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST /api/emails HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(mail)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	tick := time.NewTicker(time.Second / 10)
	defer tick.Stop()
	for rest := mail; len(rest) > 0; <-tick.C {
		n := min(len(rest), rate/10)
		if _, err := c.Write(rest[:n]); err != nil {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		rest = rest[n:]
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 202 {
		t.Fatalf("after %s: got %d %s, %v, want 202", time.Since(began), resp.StatusCode, answer, err)
	}
	if took := time.Since(began); took < 8*time.Second {
		t.Errorf("the line is not slow: got %s, want at least %v", took, 8*time.Second)
	}
	sent(t, g, idOf(t, answer))
}
