package payment_test

import (
	"testing"

	"patchbay/core/payment"
)

func held(reference string, amount int64, status payment.RefundStatus) payment.ProviderRefund {
	return payment.ProviderRefund{Reference: reference, Amount: amount, Status: string(status)}
}

// charged is a payment of 1000 of which this much was captured, with a refund of ours
// of 200 that is not known to have been made.
func charged(captured int64) *payment.Payment {
	return &payment.Payment{
		Status: payment.Succeeded, Amount: 1000, Currency: "usd", AmountCaptured: captured,
		Operations: []payment.Operation{{ID: "op_1", Action: payment.Refund, Outcome: payment.Unknown, Amount: 200, ProviderKey: "key"}},
	}
}

func ours(status payment.RefundStatus) payment.ProviderRefund {
	r := held("re_ours", 200, status)
	r.Metadata = map[string]string{payment.MetaOperation: "key"}
	return r
}

func TestRefundFollowsTheProvidersStatus(t *testing.T) {
	t.Parallel()
	const pending, succeeded, failed, canceled = payment.RefundPending, payment.RefundSucceeded, payment.RefundFailed, payment.RefundCanceled
	tests := []struct {
		name     string
		told     []payment.RefundStatus
		outcome  payment.Outcome
		code     string
		refunded int64
	}{
		{"pending, then succeeded", []payment.RefundStatus{pending, succeeded}, payment.Done, "", 200},
		{"succeeded, then failed: the amount is free again", []payment.RefundStatus{succeeded, failed}, payment.NotExecuted, "refund_failed", 0},
		{"pending, then canceled", []payment.RefundStatus{pending, canceled}, payment.NotExecuted, "refund_canceled", 0},
		{"the failure before the success", []payment.RefundStatus{failed, succeeded}, payment.NotExecuted, "refund_failed", 0},
		{"the success before what was pending", []payment.RefundStatus{succeeded, pending}, payment.Done, "", 200},
		{"each twice", []payment.RefundStatus{pending, pending, succeeded, succeeded, failed, failed}, payment.NotExecuted, "refund_failed", 0},
		{"a status of tomorrow is not the end", []payment.RefundStatus{"dreaming", succeeded}, payment.Done, "", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := charged(1000)
			for _, status := range tt.told {
				p.MergeRefund(ours(status))
			}
			op := p.Operations[0]
			if op.Outcome != tt.outcome || failureCode(op.Error) != tt.code || op.Kind != "" || p.AmountRefunded != tt.refunded || len(p.Refunds) != 1 {
				t.Errorf("%s, %q, refunded %d: %+v; want %s, %q, %d", op.Outcome, failureCode(op.Error), p.AmountRefunded, p.Refunds, tt.outcome, tt.code, tt.refunded)
			}
		})
	}
}

func TestAmountRefundedIsTheSumOfRefunds(t *testing.T) {
	t.Parallel()
	total := func(r payment.ProviderRefund, sum int64) payment.ProviderRefund { r.Total = sum; return r }
	dashboard := held("re_theirs", 300, payment.RefundSucceeded)
	tests := []struct {
		name string
		take func(p *payment.Payment)
		want int64
	}{
		{"300 there, heard of, then 200 here", func(p *payment.Payment) {
			p.MergeRefunds([]payment.ProviderRefund{dashboard}, payment.Intent{AmountRefunded: 300})
			p.EndRefund(&p.Operations[0], ours(payment.RefundSucceeded))
		}, 500},
		{"300 there, of which only the answer to 200 here tells", func(p *payment.Payment) {
			p.EndRefund(&p.Operations[0], total(ours(payment.RefundSucceeded), 500))
		}, 500},
		{"the event of 200 here, with the total, before the answer", func(p *payment.Payment) {
			if !p.Merge(payment.Intent{AmountCaptured: 1000, AmountRefunded: 200}) {
				t.Error("who has given back is not asked for")
			}
			p.EndRefund(&p.Operations[0], ours(payment.RefundSucceeded))
		}, 200},
		{"the list, then the answer", func(p *payment.Payment) {
			p.MergeRefunds([]payment.ProviderRefund{dashboard, ours(payment.RefundSucceeded)}, payment.Intent{AmountRefunded: 500})
			p.EndRefund(&p.Operations[0], total(ours(payment.RefundSucceeded), 500))
		}, 500},
		{"one that failed at the dashboard", func(p *payment.Payment) {
			p.MergeRefunds([]payment.ProviderRefund{dashboard}, payment.Intent{AmountRefunded: 300})
			p.Merge(payment.Intent{Refunds: []payment.ProviderRefund{held("re_theirs", 300, payment.RefundFailed)}})
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := charged(1000)
			if tt.take(p); p.AmountRefunded != tt.want || p.Refundable() != 1000-tt.want {
				t.Errorf("refunded %d, refundable %d; want %d: %+v", p.AmountRefunded, p.Refundable(), tt.want, p.Refunds)
			}
		})
	}
}

// Of an event alone nobody can tell a refund that somebody else made from what a capture
// has let go.
func TestForeignRefundMakesTheEventStale(t *testing.T) {
	t.Parallel()
	p := charged(600)
	if !p.Merge(payment.Intent{Refunds: []payment.ProviderRefund{held("re_1", 400, payment.RefundSucceeded)}}) || len(p.Refunds) != 0 || p.AmountRefunded != 0 {
		t.Errorf("taken on trust: %+v, %d refunded", p.Refunds, p.AmountRefunded)
	}
}

func TestReleaseOfAPartialCaptureIsNoRefund(t *testing.T) {
	t.Parallel()
	release, same := held("re_release", 400, payment.RefundSucceeded), held("re_same", 400, payment.RefundSucceeded)
	tests := []struct {
		name     string
		captured int64
		all      []payment.ProviderRefund
		total    int64 // in the provider's count
		want     int64
	}{
		{"of a partial capture", 600, []payment.ProviderRefund{release}, 0, 0},
		{"and a refund of the same amount", 600, []payment.ProviderRefund{release, same}, 400, 400},
		{"and one of ours", 600, []payment.ProviderRefund{release, ours(payment.RefundSucceeded)}, 200, 200},
		{"where the provider lists none", 600, []payment.ProviderRefund{same}, 400, 400},
		{"of all, where nothing was taken", 0, []payment.ProviderRefund{held("re_release", 1000, payment.RefundSucceeded)}, 0, 0},
		{"of none, where all was taken", 1000, []payment.ProviderRefund{same}, 400, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := charged(tt.captured)
			for range 2 {
				p.MergeRefunds(tt.all, payment.Intent{AmountRefunded: tt.total})
			}
			if p.AmountRefunded != tt.want || !p.RefundsComplete() {
				t.Errorf("refunded %d, want %d: %+v", p.AmountRefunded, tt.want, p.Refunds)
			}
		})
	}
}

// The version before kept no refunds but in their operations.
func TestRefundsOfTheVersionBeforeCount(t *testing.T) {
	t.Parallel()
	p := charged(1000)
	p.AmountRefunded = 150
	p.Operations = append(p.Operations, payment.Operation{ID: "op_0", Action: payment.Refund, Outcome: payment.Done, Amount: 150, Reference: "re_0"})
	if !p.RefundsComplete() {
		t.Error("the provider is to be asked about what is known")
	}
	p.EndRefund(&p.Operations[0], ours(payment.RefundSucceeded))
	p.MergeRefund(held("re_0", 150, payment.RefundFailed))
	if p.AmountRefunded != 200 || p.Operations[1].Outcome != payment.NotExecuted {
		t.Errorf("refunded %d: %+v", p.AmountRefunded, p.Operations)
	}
}
