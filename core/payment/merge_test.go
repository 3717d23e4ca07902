package payment_test

import (
	"reflect"
	"testing"

	"patchbay/core/payment"
)

func intent(s payment.Status) payment.Intent {
	i := payment.Intent{Reference: "pi_1", Status: s, Amount: 500, Currency: "usd"}
	switch s {
	case payment.Succeeded:
		i.AmountCaptured = 500
	case payment.RequiresPaymentMethod:
		i.Failure = &payment.Failure{Code: "card_declined"}
	case payment.RequiresCapture:
		i.AmountCapturable = 500
	}
	return i
}

// What a provider tells of one payment, in any order and with any repetition,
// ends in the same state.
func TestMergeEndsTheSameWhateverTheOrder(t *testing.T) {
	t.Parallel()
	refunded := payment.Intent{Reference: "pi_1", Amount: 500, AmountCaptured: 500, AmountRefunded: 200}
	news := []payment.Intent{
		intent(payment.RequiresPaymentMethod), intent(payment.RequiresConfirmation), intent(payment.RequiresAction),
		intent(payment.Processing), intent(payment.Succeeded), refunded,
	}
	want := merged(news)
	if want.Status != payment.Succeeded || want.AmountCaptured != 500 || want.AmountRefunded != 200 || want.Error != nil {
		t.Fatalf("in order: %+v", want)
	}
	count := 0
	permute(news, 0, func(order []payment.Intent) {
		count++
		if got := merged(order); !reflect.DeepEqual(got, want) {
			t.Fatalf("order %v ends in %+v, want %+v", statuses(order), got, want)
		}
		if got := merged(append(order, order...)); !reflect.DeepEqual(got, want) {
			t.Fatalf("order %v twice ends in %+v, want %+v", statuses(order), got, want)
		}
	})
	if count != 720 {
		t.Fatalf("%d orders tried, want 720", count)
	}
}

func merged(news []payment.Intent) payment.Payment {
	p := payment.Payment{Amount: 500, Currency: "usd", Status: payment.Processing, Operations: []payment.Operation{
		{ID: "op_1", Action: payment.Create, Outcome: payment.Unknown, Request: payment.Request{Confirm: true}},
	}}
	for _, i := range news {
		p.Merge(i)
	}
	p.Operations[0] = payment.Operation{} // how it was settled may differ
	return p
}

func permute(list []payment.Intent, k int, visit func([]payment.Intent)) {
	if k == len(list) {
		visit(append([]payment.Intent(nil), list...))
		return
	}
	for i := k; i < len(list); i++ {
		list[k], list[i] = list[i], list[k]
		permute(list, k+1, visit)
		list[k], list[i] = list[i], list[k]
	}
}

func statuses(list []payment.Intent) []payment.Status {
	out := make([]payment.Status, len(list))
	for i, n := range list {
		out[i] = n.Status
	}
	return out
}

func TestMerge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		from  payment.Status
		news  payment.Status
		want  payment.Status
		stale bool
	}{
		{"failed after succeeded is ignored", payment.Succeeded, payment.RequiresPaymentMethod, payment.Succeeded, false},
		{"canceled after succeeded is ignored", payment.Succeeded, payment.Canceled, payment.Succeeded, false},
		{"succeeded after failed is applied", payment.RequiresPaymentMethod, payment.Succeeded, payment.Succeeded, false},
		{"failed after requires_action asks for the present state", payment.RequiresAction, payment.RequiresPaymentMethod, payment.RequiresAction, true},
		{"an authorisation is applied", payment.RequiresAction, payment.RequiresCapture, payment.RequiresCapture, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := payment.Payment{Status: tt.from}
			if stale := p.Merge(intent(tt.news)); stale != tt.stale || p.Status != tt.want {
				t.Errorf("status %s, stale %v; want %s, %v", p.Status, stale, tt.want, tt.stale)
			}
		})
	}
}

func TestMergeEndsAnOpenOperation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		action payment.Action
		news   payment.Status
		want   payment.Outcome
	}{
		{"a create by success", payment.Create, payment.Succeeded, payment.Done},
		{"a create by its decline", payment.Create, payment.RequiresPaymentMethod, payment.Declined},
		{"a confirm by success", payment.Confirm, payment.Succeeded, payment.Done},
		{"a confirm not by a decline, which may be an earlier one", payment.Confirm, payment.RequiresPaymentMethod, payment.Unknown},
		{"a capture by success", payment.Capture, payment.Succeeded, payment.Done},
		{"a capture not by the authorisation", payment.Capture, payment.RequiresCapture, payment.Unknown},
		{"a cancel by the cancellation", payment.Cancel, payment.Canceled, payment.Done},
		{"a refund not by an intent", payment.Refund, payment.Succeeded, payment.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := payment.Payment{Status: payment.Processing, Operations: []payment.Operation{
				{Action: tt.action, Outcome: payment.Unknown, Request: payment.Request{Confirm: true}},
			}}
			p.Merge(intent(tt.news))
			if got := p.Operations[0].Outcome; got != tt.want {
				t.Errorf("outcome %s, want %s", got, tt.want)
			}
			if open := p.Open(); open != nil && open.Action == payment.Confirm && p.Status != payment.Processing {
				t.Errorf("status %s while the confirm is open", p.Status)
			}
		})
	}
}
