package stripesim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"patchbay/adapters/simulators/stripesim"
	"patchbay/tests/stripemock"
)

// request is one that is made at the simulator and at Stripe's own mock.
type request struct {
	name, method, path string // {pi} stands for an intent that is there
	form               string
	taken              bool // by both
}

const create = "amount=2000&currency=usd&automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never"

var requests = []request{
	{"a create", "POST", "/v1/payment_intents", create, true},
	{"a create that is confirmed", "POST", "/v1/payment_intents", create + "&confirm=true&payment_method=pm_card_visa&expand[0]=latest_charge", true},
	{"a create with everything", "POST", "/v1/payment_intents", create + "&capture_method=manual&customer=cus_1&description=d&metadata[order]=7&payment_method=pm_card_visa", true},
	{"a create that names its payment method types", "POST", "/v1/payment_intents", "amount=2000&currency=usd&payment_method_types[]=card&payment_method_types[]=us_bank_account", true},
	{"a create for cards alone that is confirmed without a return_url", "POST", "/v1/payment_intents", "amount=2000&currency=usd&confirm=true&payment_method=pm_card_visa&payment_method_types[]=card&expand[]=latest_charge", true},
	{"a confirm", "POST", "/v1/payment_intents/{pi}/confirm", "payment_method=pm_card_visa&expand[0]=latest_charge", true},
	{"a capture", "POST", "/v1/payment_intents/{held}/capture", "amount_to_capture=100&expand[0]=latest_charge", true},
	{"a cancel", "POST", "/v1/payment_intents/{pi}/cancel", "cancellation_reason=abandoned", true},
	{"a retrieve", "GET", "/v1/payment_intents/{paid}", "expand[0]=latest_charge", true},
	{"a list", "GET", "/v1/payment_intents", "created[gte]=0&created[lte]=4102444800&limit=10&expand[0]=data.latest_charge", true},
	{"the account", "GET", "/v1/account", "", true},
	{"a refund", "POST", "/v1/refunds", "payment_intent={paid}&amount=100&metadata[order]=7&reason=duplicate", true},
	{"a list of refunds", "GET", "/v1/refunds", "payment_intent={paid}&limit=10", true},

	{"no amount", "POST", "/v1/payment_intents", "currency=usd", false},
	{"no currency", "POST", "/v1/payment_intents", "amount=2000", false},
	{"an amount that is no number", "POST", "/v1/payment_intents", "amount=much&currency=usd", false},
	{"a parameter that is unknown", "POST", "/v1/payment_intents", create + "&colour=red", false},
	{"a way to capture that there is not", "POST", "/v1/payment_intents", create + "&capture_method=never", false},
	{"a redirect that there is not", "POST", "/v1/payment_intents", "amount=2000&currency=usd&automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=maybe", false},
	{"automatic payment methods that say nothing", "POST", "/v1/payment_intents", "amount=2000&currency=usd&automatic_payment_methods[allow_redirects]=never", false},
	{"a confirm that is neither", "POST", "/v1/payment_intents", create + "&confirm=perhaps", false},
	{"an unknown parameter of a confirm", "POST", "/v1/payment_intents/{pi}/confirm", "colour=red", false},
	{"an unknown parameter of a capture", "POST", "/v1/payment_intents/{held}/capture", "amount=100", false},
	{"a reason that there is not", "POST", "/v1/payment_intents/{pi}/cancel", "cancellation_reason=bored", false},
	{"a reason of a refund that there is not", "POST", "/v1/refunds", "payment_intent={paid}&reason=bored", false},
	{"an unknown parameter of a refund", "POST", "/v1/refunds", "payment_intent={paid}&colour=red", false},
	{"a limit that is no number", "GET", "/v1/payment_intents", "limit=ten", false},
	{"an unknown parameter of a list", "GET", "/v1/payment_intents", "colour=red", false},
	{"an address that is none", "POST", "/v1/payment_intent", create, false},
}

// Both take the same, and what the simulator answers is of the types that Stripe
// describes.
func TestItAgreesWithStripesOwnMock(t *testing.T) {
	t.Parallel()
	mock := stripemock.URL(t)
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := stripesim.Start(t, stripesim.Options{})
			r := r.filled(t, s)
			ours, answer := r.send(t, s.URL(), s.Key())
			theirs, sample := r.send(t, mock, "sk_test_123")
			if (ours == 200) != r.taken || (theirs == 200) != r.taken {
				t.Fatalf("ours %d, theirs %d: %v %v", ours, theirs, answer, sample)
			}
			if !r.taken {
				answer, sample = answer["error"].(map[string]any), sample["error"].(map[string]any)
			}
			for _, wrong := range differences("", answer, sample) {
				t.Error(wrong)
			}
		})
	}
}

// What Stripe enforces, and its mock does not.
func TestItIsStricterThanStripesOwnMock(t *testing.T) {
	t.Parallel()
	mock := stripemock.URL(t)
	for _, r := range []request{
		{"a negative amount", "POST", "/v1/payment_intents", "amount=-5&currency=usd", false},
		{"less than the minimum", "POST", "/v1/payment_intents", "amount=49&currency=usd", false},
		{"a last digit of a three-decimal currency", "POST", "/v1/payment_intents", "amount=35201&currency=kwd", false},
		{"a part of a currency that has none any more", "POST", "/v1/payment_intents", "amount=550&currency=isk", false},
		{"a confirm, later, that might redirect nowhere", "POST", "/v1/payment_intents/{open}/confirm", "", false},
		{"a confirm that might redirect nowhere", "POST", "/v1/payment_intents", "amount=2000&currency=usd&confirm=true&payment_method=pm_card_visa", false},
		{"a payment method that is not there", "POST", "/v1/payment_intents", create + "&payment_method=pm_absent", false},
		{"an intent that is not there", "GET", "/v1/payment_intents/pi_absent", "", false},
		{"a capture of what was not held", "POST", "/v1/payment_intents/{pi}/capture", "", false},
		{"a refund of what was not paid", "POST", "/v1/refunds", "payment_intent={pi}", false},
		{"a refund of more than was paid", "POST", "/v1/refunds", "payment_intent={paid}&amount=2001", false},
		{"payment method types beside automatic ones", "POST", "/v1/payment_intents", create + "&payment_method_types[]=card", false},
		{"a payment method type without test methods", "POST", "/v1/payment_intents", "amount=2000&currency=usd&payment_method_types[]=ideal", false},
		{"a return without a confirm", "POST", "/v1/payment_intents", "amount=2000&currency=usd&return_url=https://a.example", false},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := stripesim.Start(t, stripesim.Options{})
			r := r.filled(t, s)
			ours, answer := r.send(t, s.URL(), s.Key())
			theirs, sample := r.send(t, mock, "sk_test_123")
			if ours < 400 || ours >= 500 || theirs != 200 {
				t.Errorf("ours %d, theirs %d: %v %v", ours, theirs, answer, sample)
			}
		})
	}
}

// filled puts intents in place of their names.
func (r request) filled(t *testing.T, s *stripesim.Sim) request {
	t.Helper()
	for name, form := range map[string]string{
		"{pi}": create + "&payment_method=pm_card_visa", "{paid}": create + "&payment_method=pm_card_visa&confirm=true",
		"{open}": "amount=2000&currency=usd&automatic_payment_methods[enabled]=true&payment_method=pm_card_visa",
		"{held}": create + "&payment_method=pm_card_visa&confirm=true&capture_method=manual",
	} {
		if !strings.Contains(r.path+r.form, name) {
			continue
		}
		_, made := request{method: "POST", path: "/v1/payment_intents", form: form}.send(t, s.URL(), s.Key())
		r.path, r.form = strings.ReplaceAll(r.path, name, made["id"].(string)), strings.ReplaceAll(r.form, name, made["id"].(string))
	}
	return r
}

func (r request) send(t *testing.T, base, key string) (status int, answer map[string]any) {
	t.Helper()
	form, err := url.ParseQuery(r.form)
	if err != nil {
		t.Fatal(err)
	}
	target, body := base+r.path, form.Encode()
	if r.method == "GET" {
		target, body = target+"?"+body, ""
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	if r.method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return resp.StatusCode, answer
}

// differences names the fields of ours that theirs does not have, or has with
// another type. Null is of any type.
func differences(path string, ours, theirs any) (all []string) {
	switch o := ours.(type) {
	case nil:
		return nil
	case map[string]any:
		t, ok := theirs.(map[string]any)
		if theirs != nil && !ok {
			return []string{fmt.Sprintf("%s is an object, theirs %T", path, theirs)}
		}
		for name, value := range o {
			other, there := t[name]
			if theirs != nil && !there && !optional[name] && !strings.HasSuffix(path, ".metadata") {
				all = append(all, path+"."+name+" is no field of theirs")
			}
			all = append(all, differences(path+"."+name, value, other)...)
		}
	case []any:
		t, ok := theirs.([]any)
		if theirs != nil && !ok {
			return []string{fmt.Sprintf("%s is a list, theirs %T", path, theirs)}
		}
		if len(o) > 0 && len(t) > 0 {
			return differences(path+"[]", o[0], t[0])
		}
	default:
		if theirs != nil && fmt.Sprintf("%T", ours) != fmt.Sprintf("%T", theirs) {
			return []string{fmt.Sprintf("%s is a %T, theirs %T", path, ours, theirs)}
		}
	}
	return all
}

// optional are fields that Stripe has where they apply, and its samples have not:
// its mock's errors have type and message alone.
var optional = map[string]bool{"code": true, "param": true, "allow_redirects": true}
