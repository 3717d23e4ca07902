package stripepay_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/payments/stripepay"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

const intent = `{"id":"pi_1","object":"payment_intent","amount":100,"currency":"usd","status":"succeeded"}`

// What goes over the wire, a parameter a line.
func TestRequestsSent(t *testing.T) {
	t.Parallel()
	full := payment.CreateRequest{
		Key: "k", Amount: 1999, Currency: "eur", Customer: "cus_1", PaymentMethod: "pm_1", Description: "Order 7", Confirm: true,
		CaptureMethod: payment.CaptureManual, ReturnURL: "https://shop.example.com/back", Metadata: map[string]string{"order": "7"},
	}
	for _, c := range []struct {
		name, path, want string
		call             func(g *stripepay.Gateway) error
	}{
		{
			"a create with everything", "POST /v1/payment_intents",
			"amount=1999 automatic_payment_methods[enabled]=true capture_method=manual confirm=true currency=eur customer=cus_1 " +
				"description=Order 7 expand[0]=latest_charge metadata[order]=7 payment_method=pm_1 return_url=https://shop.example.com/back",
			func(g *stripepay.Gateway) error { _, err := g.Create(t.Context(), full); return err },
		},
		{
			"a create with the least: the buyer is never sent away", "POST /v1/payment_intents",
			"amount=100 automatic_payment_methods[allow_redirects]=never automatic_payment_methods[enabled]=true currency=usd expand[0]=latest_charge",
			func(g *stripepay.Gateway) error {
				_, err := g.Create(t.Context(), payment.CreateRequest{Key: "k", Amount: 100, Currency: "usd"})
				return err
			},
		},
		{
			"a create for a page in the buyer's browser: every way to pay is offered", "POST /v1/payment_intents",
			"amount=100 automatic_payment_methods[enabled]=true currency=usd expand[0]=latest_charge",
			func(g *stripepay.Gateway) error {
				_, err := g.Create(t.Context(), payment.CreateRequest{Key: "k", Amount: 100, Currency: "usd", Confirmation: payment.ConfirmClient})
				return err
			},
		},
		{
			"a create to be confirmed here later: the buyer is never sent away", "POST /v1/payment_intents",
			"amount=100 automatic_payment_methods[allow_redirects]=never automatic_payment_methods[enabled]=true currency=usd expand[0]=latest_charge",
			func(g *stripepay.Gateway) error {
				_, err := g.Create(t.Context(), payment.CreateRequest{Key: "k", Amount: 100, Currency: "usd", Confirmation: payment.ConfirmServer})
				return err
			},
		},
		{
			"a create with an address that is given with the confirm", "POST /v1/payment_intents",
			"amount=100 automatic_payment_methods[enabled]=true currency=usd expand[0]=latest_charge",
			func(g *stripepay.Gateway) error {
				_, err := g.Create(t.Context(), payment.CreateRequest{
					Key: "k", Amount: 100, Currency: "usd", Confirmation: payment.ConfirmServer, ReturnURL: "https://a.example",
				})
				return err
			},
		},
		{
			"krónur are counted in hundredths", "POST /v1/payment_intents",
			"amount=50000 automatic_payment_methods[allow_redirects]=never automatic_payment_methods[enabled]=true currency=isk expand[0]=latest_charge",
			func(g *stripepay.Gateway) error {
				_, err := g.Create(t.Context(), payment.CreateRequest{Key: "k", Amount: 500, Currency: "isk"})
				return err
			},
		},
		{
			"a capture of ariary is counted whole", "POST /v1/payment_intents/pi_1/capture", "amount_to_capture=40 expand[0]=latest_charge",
			func(g *stripepay.Gateway) error {
				_, err := g.Capture(t.Context(), payment.CaptureRequest{Key: "k", Reference: "pi_1", Amount: 4000, Currency: "mga"})
				return err
			},
		},
		{
			"a confirm", "POST /v1/payment_intents/pi_1/confirm", "expand[0]=latest_charge payment_method=pm_1 return_url=https://a.example",
			func(g *stripepay.Gateway) error {
				_, err := g.Confirm(t.Context(), payment.ConfirmRequest{Key: "k", Reference: "pi_1", PaymentMethod: "pm_1", ReturnURL: "https://a.example"})
				return err
			},
		},
		{
			"a capture of all", "POST /v1/payment_intents/pi_1/capture", "expand[0]=latest_charge",
			func(g *stripepay.Gateway) error {
				_, err := g.Capture(t.Context(), payment.CaptureRequest{Key: "k", Reference: "pi_1"})
				return err
			},
		},
		{
			"a capture of a part", "POST /v1/payment_intents/pi_1/capture", "amount_to_capture=40 expand[0]=latest_charge",
			func(g *stripepay.Gateway) error {
				_, err := g.Capture(t.Context(), payment.CaptureRequest{Key: "k", Reference: "pi_1", Amount: 40, Currency: "usd"})
				return err
			},
		},
		{
			"a cancel", "POST /v1/payment_intents/pi_1/cancel", "expand[0]=latest_charge",
			func(g *stripepay.Gateway) error {
				_, err := g.Cancel(t.Context(), payment.CancelRequest{Key: "k", Reference: "pi_1"})
				return err
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var path, got string
			var header http.Header
			g := served(t, func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				path, header = r.Method+" "+r.URL.Path, r.Header
				got = strings.Join(lines(r.Form), " ")
				_, _ = w.Write([]byte(intent))
			})
			if err := c.call(g); err != nil {
				t.Fatal(err)
			}
			if path != c.path || got != c.want {
				t.Errorf("%s %s\nwant %s %s", path, got, c.path, c.want)
			}
			for name, want := range map[string]string{
				"Idempotency-Key": "k", "Authorization": "Bearer " + canary, "Stripe-Version": "2023-10-16", "X-Stripe-Client-Telemetry": "",
			} {
				if header.Get(name) != want {
					t.Errorf("%s: %q, want %q", name, header.Get(name), want)
				}
			}
		})
	}
}

func lines(form url.Values) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(form)) {
		all = append(all, name+"="+form.Get(name))
	}
	return all
}

func TestAKeyIsNeverLeftToTheLibrary(t *testing.T) {
	t.Parallel()
	asked := 0
	g := served(t, func(http.ResponseWriter, *http.Request) { asked++ })
	for _, key := range []string{"", strings.Repeat("k", 256)} {
		for name, err := range map[string]error{
			"create":  second(g.Create(t.Context(), payment.CreateRequest{Key: key, Amount: 100, Currency: "usd"})),
			"confirm": second(g.Confirm(t.Context(), payment.ConfirmRequest{Key: key, Reference: "pi_1"})),
			"capture": second(g.Capture(t.Context(), payment.CaptureRequest{Key: key, Reference: "pi_1"})),
			"cancel":  second(g.Cancel(t.Context(), payment.CancelRequest{Key: key, Reference: "pi_1"})),
			"refund":  second(g.Refund(t.Context(), payment.RefundRequest{Key: key, Reference: "pi_1", Amount: 1})),
		} {
			if !fault.Is(err, fault.Invalid) || fault.From(err).Code != "idempotency_key_invalid" {
				t.Errorf("%s with a key of %d characters: %v", name, len(key), err)
			}
		}
	}
	if asked != 0 {
		t.Errorf("%d requests", asked)
	}
}

func TestWhatStripeCannotExpressIsNotSent(t *testing.T) {
	t.Parallel()
	asked := 0
	g := served(t, func(http.ResponseWriter, *http.Request) { asked++ })
	for name, err := range map[string]error{
		"a create":               second(g.Create(t.Context(), payment.CreateRequest{Key: "k", Amount: 35_201, Currency: "kwd"})),
		"a create in parts":      second(g.Create(t.Context(), payment.CreateRequest{Key: "k", Amount: 550, Currency: "mga"})),
		"a capture":              second(g.Capture(t.Context(), payment.CaptureRequest{Key: "k", Reference: "pi_1", Amount: 101, Currency: "kwd"})),
		"a refund":               second(g.Refund(t.Context(), payment.RefundRequest{Key: "k", Reference: "pi_1", Amount: 101, Currency: "kwd"})),
		"a capture of who knows": second(g.Capture(t.Context(), payment.CaptureRequest{Key: "k", Reference: "pi_1", Amount: 101})),
		"a refund of who knows":  second(g.Refund(t.Context(), payment.RefundRequest{Key: "k", Reference: "pi_1", Amount: 101})),
	} {
		if f := fault.From(err); !fault.Is(err, fault.Invalid) || f.Param != "amount" && f.Param != "currency" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked != 0 {
		t.Errorf("%d requests", asked)
	}
}

// An amount that there is not proves that something is wrong with the answer.
func TestAnAmountThatStripeCannotHaveMeant(t *testing.T) {
	t.Parallel()
	g := served(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":"pi_1","object":"payment_intent","amount":550,"currency":"isk","status":"succeeded"}`))
	})
	if i, err := g.Retrieve(t.Context(), "pi_1"); !fault.Is(err, fault.UnknownOutcome) {
		t.Errorf("%+v, %v", i, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestWhatAnAccountNeeds(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]stripepay.Options{
		"no name":           {SecretKey: "sk"},
		"no key":            {Name: "stripe"},
		"no such base URL":  {Name: "stripe", SecretKey: "sk", HTTP: httpclient.Options{BaseURL: "ftp://example.com"}},
		"a base URL's host": {Name: "stripe", SecretKey: "sk", HTTP: httpclient.Options{BaseURL: "https://"}},
	} {
		if _, err := stripepay.New(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := stripepay.New(stripepay.Options{Name: "stripe", SecretKey: "sk"}); err != nil {
		t.Errorf("no publishable key, and Stripe's own address: %v", err)
	}
}

// Stripe lists what a partial capture released among the refunds, and counts it.
func TestWhatACaptureReleasedIsNoRefund(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int64{
		`"latest_charge":{"id":"ch_1","object":"charge","amount":100,"amount_captured":60,"amount_refunded":40}`: 0,
		`"latest_charge":{"id":"ch_1","object":"charge","amount":100,"amount_captured":60,"amount_refunded":65}`: 25,
		`"latest_charge":{"id":"ch_1","object":"charge","amount":100,"amount_captured":100,"amount_refunded":7}`: 7,
		`"latest_charge":{"id":"ch_1","object":"charge","amount":100,"amount_captured":0,"amount_refunded":100}`: 0,
		`"latest_charge":null`: 0,
	} {
		g := served(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.TrimSuffix(intent, "}") + "," + body + "}"))
		})
		i, err := g.Retrieve(t.Context(), "pi_1")
		if err != nil || i.AmountRefunded != want {
			t.Errorf("%s: %d, %v, want %d", body, i.AmountRefunded, err, want)
		}
	}
}
