package e2e_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/tests/gateway"
)

// The address and the secret that requests and answers contain wherever a caller or a provider may
// write text.
const (
	plantedAddress = "Planted.Person@private.example"
	plantedSecret  = "sk_live_plantedSecret0123456789"
	plantedBody    = "planted-words-of-a-body"
)

// planted are the address and the secret in the forms in which they may occur.
var planted = strings.Join([]string{
	plantedAddress, "mailto:" + plantedAddress, strings.ReplaceAll(plantedAddress, "@", "%40"), `"planted person"@private.example`,
	plantedSecret, "Bearer planted.token.0123456789",
}, " ")

// traces are texts that must not appear in the log.
var traces = []string{"private.example", "planted", "Planted", base64.StdEncoding.EncodeToString([]byte(plantedBody))}

// TestNoLineHasAnAddressASecretOrABody checks that no log line at level debug contains an address,
// a secret or a body, although every input contains them and everything fails.
func TestNoLineHasAnAddressASecretOrABody(t *testing.T) {
	t.Parallel()
	c := newCanary(t)
	for name, mishap := range plantedAnswers() {
		befall := func(a account) { a.Inject(once(mishap)) }
		c.failPayments(t, name, befall)
		c.failMail(t, name, befall)
	}
	c.plantRequests(t)
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	log := c.Log()
	for _, words := range []string{
		"email failed", "outcome of a payment is unknown", "operation of a payment did nothing", "credential is refused",
		"signature of a webhook is refused", "code=unknown_parameter", "outage began", "administrative act",
	} {
		if !strings.Contains(log, words) {
			t.Errorf("got no line with %q, want one", words)
		}
	}
	for line := range strings.Lines(log) {
		for _, trace := range traces {
			if strings.Contains(line, trace) {
				t.Errorf("got %q in the line %s, want no trace of it", trace, line)
			}
		}
	}
}

// plantedAnswers are answers of providers that quote the planted texts.
func plantedAnswers() map[string]faultserver.Mishap {
	all := map[string]faultserver.Mishap{
		"shows a page": faultserver.Answer(502, map[string]string{"Content-Type": "text/html"}, "<html>"+planted+" "+plantedBody),
	}
	for _, status := range []int{200, 302, 400, 401, 402, 403, 404, 409, 429, 500} {
		header := map[string]string{"Content-Type": "application/json", "Location": "http://127.0.0.1:1/" + plantedAddress, "Request-Id": plantedAddress}
		all[fmt.Sprint("quotes in a ", status)] = faultserver.Answer(status, header, fmt.Sprintf(`{"id":%q,"message":%[1]q,"errors":[{"message":%[1]q,"field":%[1]q}],`+
			`"error":{"type":"invalid_request_error","code":%[1]q,"decline_code":%[1]q,"param":%[1]q,"message":%[1]q}}`, planted))
	}
	return all
}

// plantRequests sends valid and invalid requests with the planted texts in each place that a
// caller writes.
func (c *secretsRun) plantRequests(t *testing.T) {
	t.Helper()
	metadata := object{"note": planted, "body": plantedBody}
	own := gateway.Header{"X-Request-Id": plantedAddress, "User-Agent": planted, "Referer": planted, "Cookie": planted}
	key := gateway.Key(plantedAddress + plantedSecret)
	c.Do(t, "POST", "/api/emails", object{
		"to": []string{plantedAddress}, "cc": []string{"Planted <" + plantedAddress + ">"}, "replyTo": []string{plantedAddress}, "subject": planted, "text": plantedBody,
		"html": "<p>" + plantedBody, "metadata": metadata, "headers": object{"X-Planted": planted},
		"attachments": []object{{"filename": "planted.txt", "contentType": "text/plain", "content": base64.StdEncoding.EncodeToString([]byte(plantedBody))}},
	}, key, own)
	c.Do(t, "POST", "/api/users", object{"email": plantedAddress, "name": planted, "metadata": metadata}, key, own)
	c.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"metadata": metadata, "description": plantedBody}), key, own)
	for _, w := range []struct{ method, path, body string }{
		{"POST", "/api/emails", `{"to": ["` + plantedAddress + `"], "planted": "` + plantedBody + `"}`},
		{"POST", "/api/emails", `{"to": ["` + plantedAddress + `, and ` + plantedBody + `"], "subject": "x", "text": "x"}`},
		{"POST", "/api/users", `{"email": "` + plantedBody + `", "name": ` + plantedSecret},
		{"POST", "/api/payments", `{"amount": "` + plantedBody + `", "currency": "` + plantedAddress + `"}`},
		{"GET", "/api/users?email=" + plantedAddress, ""},
		{"GET", "/api/users?" + plantedAddress + "=" + plantedSecret, ""},
		{"GET", "/api/users/" + plantedAddress, ""},
		{"GET", "/" + plantedAddress + "/" + plantedSecret, ""},
		{"POST", "/api/payments/" + plantedSecret + "/resolve", `{"verdict": "noted", "note": "` + plantedBody + `"}`},
		{"POST", "/api/webhooks/stripe", `{"id": "evt_1", "planted": "` + plantedBody + `"}`},
		{"POST", "/api/webhooks/" + plantedAddress, `{"planted": "` + plantedBody + `"}`},
	} {
		headers := []gateway.Header{own, {"Stripe-Signature": "t=1,v1=" + plantedSecret}}
		if w.body != "" {
			headers = append(headers, gateway.Header{"Content-Type": "application/json"})
		}
		c.Wrong(t, w.method, w.path, []byte(w.body), headers...)
	}
	c.Wrong(t, "GET", "/api/users", nil, own, gateway.Header{"Authorization": "Bearer " + plantedSecret})
}
