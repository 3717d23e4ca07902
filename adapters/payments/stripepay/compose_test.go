package stripepay_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/payments/stripepay"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// wire is what of a request reached Stripe.
type wire struct{ path, key, body string }

// sent tells what the requests of the gateway were, an answer's amount being 7.
func sent(t *testing.T) (*stripepay.Gateway, *[]wire) {
	t.Helper()
	var all []wire
	return served(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		all = append(all, wire{r.URL.Path, r.Header.Get("Idempotency-Key"), string(body)})
		answer := intent
		if r.URL.Path == "/v1/refunds" {
			answer = `{"id":"re_1","object":"refund","amount":7,"currency":"usd","payment_intent":"pi_1","status":"succeeded"}`
		}
		_, _ = io.WriteString(w, answer)
	}), &all
}

// changes are calls that change something, each with the body that it is given.
var changes = map[string]struct {
	path string
	call func(t *testing.T, g *stripepay.Gateway, body string) error
	as   payment.Change
}{
	"create": {"/v1/payment_intents", func(t *testing.T, g *stripepay.Gateway, body string) error {
		r := fullCreate
		r.Body = body
		return second(g.Create(t.Context(), r))
	}, fullCreate},
	"confirm": {"/v1/payment_intents/pi_1/confirm", func(t *testing.T, g *stripepay.Gateway, body string) error {
		return second(g.Confirm(t.Context(), payment.ConfirmRequest{Key: "k", Reference: "pi_1", PaymentMethod: "pm_1", Body: body}))
	}, payment.ConfirmRequest{Key: "k", Reference: "pi_1", PaymentMethod: "pm_1"}},
	"capture": {"/v1/payment_intents/pi_1/capture", func(t *testing.T, g *stripepay.Gateway, body string) error {
		return second(g.Capture(t.Context(), payment.CaptureRequest{Key: "k", Reference: "pi_1", Amount: 7, Currency: "usd", Body: body}))
	}, payment.CaptureRequest{Key: "k", Reference: "pi_1", Amount: 7, Currency: "usd"}},
	"cancel": {"/v1/payment_intents/pi_1/cancel", func(t *testing.T, g *stripepay.Gateway, body string) error {
		return second(g.Cancel(t.Context(), payment.CancelRequest{Key: "k", Reference: "pi_1", Body: body}))
	}, payment.CancelRequest{Key: "k", Reference: "pi_1"}},
	"refund": {"/v1/refunds", func(t *testing.T, g *stripepay.Gateway, body string) error {
		return second(g.Refund(t.Context(), payment.RefundRequest{Key: "k", Reference: "pi_1", Amount: 7, Currency: "usd", Body: body}))
	}, payment.RefundRequest{Key: "k", Reference: "pi_1", Amount: 7, Currency: "usd"}},
}

var fullCreate = payment.CreateRequest{
	Key: "k", Amount: 7, Currency: "usd", Customer: "cus_1", PaymentMethod: "pm_1", Description: "Größe 7 & more = 100 %",
	ReturnURL: "https://shop.example.com/back?a=b&c=d", Confirm: true, CaptureMethod: payment.CaptureManual,
	Metadata: map[string]string{"order": "7", "größe": "ä b+c", "a": ""},
}

// Stripe refuses a repeat whose parameters are not those of the first time: what
// was kept goes out as it is, whatever this version would make of the request.
func TestTheBodyGoesOutToTheLetter(t *testing.T) {
	t.Parallel()
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, all := sent(t)
			composed, err := g.Compose(c.as)
			if err != nil {
				t.Fatal(err)
			}
			bodies := []string{
				"", composed, // none is as composed
				composed + "&expand[1]=customer&expand[]=on_behalf_of", "expand[0]=customer&" + composed, // asks for more
				"zeta=1&alpha=2&metadata[ord%C3%A9r+7]=a%26b%3Dc+d&zeta=3&empty=", // in an order of its own
			}
			if _, rest, more := strings.Cut(composed, "&"); more {
				bodies = append(bodies, rest) // lacks a parameter
			}
			for _, body := range bodies {
				if err := c.call(t, g, body); err != nil {
					t.Fatal(err)
				}
			}
			bodies[0] = composed
			for n, got := range *all {
				if want := (wire{c.path, "k", bodies[n]}); got != want {
					t.Errorf("sent %+v\nwant %+v", got, want)
				}
			}
		})
	}
}

// What earlier versions sent, which kept no body: a repeat under their keys must
// be worded the same.
func TestComposedRequests(t *testing.T) {
	t.Parallel()
	g, _ := sent(t)
	for name, want := range map[string]string{
		"create": "amount=7&automatic_payment_methods[enabled]=true&capture_method=manual&confirm=true&currency=usd&customer=cus_1&" +
			"description=Gr%C3%B6%C3%9Fe+7+%26+more+%3D+100+%25&expand[0]=latest_charge&" +
			"metadata[a]=&metadata[gr%C3%B6%C3%9Fe]=%C3%A4+b%2Bc&metadata[order]=7&payment_method=pm_1&" +
			"return_url=https%3A%2F%2Fshop.example.com%2Fback%3Fa%3Db%26c%3Dd",
		"confirm": "expand[0]=latest_charge&payment_method=pm_1",
		"capture": "amount_to_capture=7&expand[0]=latest_charge",
		"cancel":  "expand[0]=latest_charge",
		"refund":  "amount=7&expand[0]=charge&payment_intent=pi_1",
	} {
		if got, err := g.Compose(changes[name].as); err != nil || got != want {
			t.Errorf("%s: %s, %v\nwant %s", name, got, err, want)
		}
	}
}

func TestABodyThatCannotBeReadIsNotSent(t *testing.T) {
	t.Parallel()
	for name, c := range changes {
		g, all := sent(t)
		if err := c.call(t, g, "amount=%zz"); !fault.Is(err, fault.Invalid) || fault.From(err).Code != "body_invalid" || len(*all) != 0 {
			t.Errorf("%s: %v, sent %v", name, err, *all)
		}
	}
}
