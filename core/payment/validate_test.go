package payment_test

import (
	"strings"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

func TestHasCardNumber(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       bool
	}{
		{"Visa", "4242424242424242", true},
		{"Visa in groups", "card 4242 4242 4242 4242 please", true},
		{"Visa beside its expiry", "4242-4242-4242-4242 12/28", true},
		{"Visa after another number", "order 17 4242 4242 4242 4242", true},
		{"Mastercard of the second range", "2223003122003222", true},
		{"American Express", "3782 822463 10005", true},
		{"a wrong check digit", "4242424242424241", false},
		{"a right check digit without an issuer", "1000000000000008", false},
		{"an issuer's prefix with another length", "42424242424242424", false},
		{"a time in milliseconds", "1700000000000", false},
		{"inside a longer identifier", "99424242424242424242", false},
		{"no digits", "hello", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := payment.HasCardNumber(tt.text); got != tt.want {
				t.Errorf("HasCardNumber(%q) = %v", tt.text, got)
			}
		})
	}
}

func TestFieldsCheck(t *testing.T) {
	t.Parallel()
	many := make(map[string]string)
	for i := range 46 {
		many[strings.Repeat("k", i+1)[:min(i+1, 40)]+string(rune('a'+i%26))+string(rune('a'+i/26))] = "v"
	}
	tests := []struct {
		name   string
		fields payment.Fields
		param  string // empty: accepted
	}{
		{"nothing", payment.Fields{}, ""},
		{"the usual", payment.Fields{Metadata: map[string]string{"order": "17"}, ReturnURL: "https://shop.example/done"}, ""},
		{"46 keys", payment.Fields{Metadata: many}, "metadata"},
		{"a key with a bracket", payment.Fields{Metadata: map[string]string{"a[b]": "c"}}, "metadata.a[b]"},
		{"a key of ours", payment.Fields{Metadata: map[string]string{"patchbay_payment": "x"}}, "metadata.patchbay_payment"},
		{"a value of 501 characters", payment.Fields{Metadata: map[string]string{"a": strings.Repeat("é", 501)}}, "metadata.a"},
		{"a card number as a value", payment.Fields{Metadata: map[string]string{"a": "4242424242424242"}}, "metadata.a"},
		{"a card number as a key", payment.Fields{Metadata: map[string]string{"4242424242424242": "a"}}, "metadata"},
		{"a card number in a key that is none", payment.Fields{Metadata: map[string]string{"[" + strings.Repeat("k", 40) + "4242424242424242": "a"}}, "metadata"},
		{"a card number in a key of ours", payment.Fields{Metadata: map[string]string{"patchbay_4242424242424242": "a"}}, "metadata"},
		{"a card number as a provider's name", payment.Fields{Customers: map[string]string{"4242424242424242": "cus_1"}}, "customers"},
		{"a card number as description", payment.Fields{Description: "4242424242424242"}, "description"},
		{"a card number in returnUrl", payment.Fields{ReturnURL: "https://shop.example/done?card=4242424242424242"}, "returnUrl"},
		{"a card number as customer", payment.Fields{CustomerID: "4242424242424242"}, "customerId"},
		{"a customer of 256 characters", payment.Fields{CustomerID: strings.Repeat("c", 256)}, "customerId"},
		{"a card number as payment method", payment.Fields{PaymentMethod: "4242 4242 4242 4242"}, "paymentMethod"},
		{"a payment method of 256 characters", payment.Fields{PaymentMethod: strings.Repeat("p", 256)}, "paymentMethod"},
		{"a card number as a provider's payment method", payment.Fields{PaymentMethods: map[string]string{"acme": "4242424242424242"}}, "paymentMethods.acme"},
		{"a card number as a provider's customer", payment.Fields{Customers: map[string]string{"acme": "4242424242424242"}}, "customers.acme"},
		{"tokens", payment.Fields{
			PaymentMethod: "pm_card_visa", PaymentMethods: map[string]string{"acme": strings.Repeat("p", 255)}, Customers: map[string]string{"acme": "cus_1"},
		}, ""},
		{"a description of 1000 characters in more bytes", payment.Fields{Description: strings.Repeat("é", 1000)}, ""},
		{"a description of 1001 characters", payment.Fields{Description: strings.Repeat("d", 1001)}, "description"},
		{"a returnUrl without a host", payment.Fields{ReturnURL: "https:///done"}, "returnUrl"},
		{"a returnUrl that is not absolute", payment.Fields{ReturnURL: "/done"}, "returnUrl"},
		{"a returnUrl of 2049 bytes", payment.Fields{ReturnURL: "https://shop.example/" + strings.Repeat("d", 2049-21)}, "returnUrl"},
		{"an empty key", payment.Fields{Metadata: map[string]string{"": "v"}}, "metadata"},
		{"a key of 41 characters", payment.Fields{Metadata: map[string]string{strings.Repeat("k", 41): "v"}}, "metadata." + strings.Repeat("k", 41)},
		{"a script as returnUrl", payment.Fields{ReturnURL: "javascript:alert(1)"}, "returnUrl"},
		{"to be confirmed by the buyer", payment.Fields{Confirmation: payment.ConfirmClient}, ""},
		{"to be confirmed here, later", payment.Fields{Confirmation: payment.ConfirmServer}, ""},
		{"to be confirmed here, at once", payment.Fields{Confirmation: payment.ConfirmServer, Confirm: true}, ""},
		{"to be confirmed by the buyer, and at once", payment.Fields{Confirmation: payment.ConfirmClient, Confirm: true}, "confirmation"},
		{"to be confirmed elsewhere", payment.Fields{Confirmation: "terminal"}, "confirmation"},
		{"an EAN as a value", payment.Fields{Metadata: map[string]string{"ref": "4006381333023"}}, ""},
		{"a third way to capture", payment.Fields{CaptureMethod: "later"}, "captureMethod"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.fields.Check()
			if tt.param == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !fault.Is(err, fault.Invalid) || fault.From(err).Param != tt.param {
				t.Errorf("%v, want Invalid at %s", err, tt.param)
			}
		})
	}
}
