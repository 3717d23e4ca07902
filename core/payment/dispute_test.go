package payment_test

import (
	"testing"

	"patchbay/core/payment"
)

func dispute(status string, withdrawn bool) payment.Dispute {
	return payment.Dispute{Reference: "dp_1", Amount: 500, Currency: "usd", Reason: "fraudulent", Status: status, FundsWithdrawn: withdrawn}
}

func TestDisputeFollowsItsStages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		told  []payment.Dispute
		want  payment.Dispute
		asked bool // by the last
	}{
		{"opened", []payment.Dispute{dispute("needs_response", true)}, dispute("needs_response", true), false},
		{"told twice", []payment.Dispute{dispute("needs_response", true), dispute("needs_response", true)}, dispute("needs_response", true), false},
		{"lost", []payment.Dispute{dispute("needs_response", true), dispute("lost", true)}, dispute("lost", true), false},
		{"opened, told after it was won", []payment.Dispute{dispute("won", false), dispute("needs_response", true)}, dispute("won", false), false},
		{"an inquiry that becomes one", []payment.Dispute{dispute("warning_needs_response", false), dispute("needs_response", true)}, dispute("needs_response", true), false},
		{"withdrawn, or not yet: who knows", []payment.Dispute{dispute("needs_response", false), dispute("needs_response", true)}, dispute("needs_response", false), true},
		{"lost, or won: who knows", []payment.Dispute{dispute("lost", true), dispute("won", false)}, dispute("lost", true), true},
		{"a status of tomorrow", []payment.Dispute{dispute("needs_response", true), dispute("dreaming", true)}, dispute("needs_response", true), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := payment.Payment{Status: payment.Succeeded}
			asked := false
			for _, d := range tt.told {
				asked = p.Merge(payment.Intent{Disputes: []payment.Dispute{d}})
			}
			if len(p.Disputes) != 1 || p.Disputes[0] != tt.want || asked != tt.asked {
				t.Errorf("%+v, asked %v; want %+v, %v", p.Disputes, asked, tt.want, tt.asked)
			}
		})
	}
}

func TestTheProvidersPresentDisputesReplaceWhatIsKnown(t *testing.T) {
	t.Parallel()
	p := payment.Payment{Disputes: []payment.Dispute{dispute("lost", true)}}
	p.MergeDisputes([]payment.Dispute{dispute("won", false), {Reference: "dp_2", Status: "needs_response"}})
	if len(p.Disputes) != 2 {
		t.Fatalf("disputes = %+v, want two", p.Disputes)
	}
	equal(t, "status of the first", p.Disputes[0].Status, "won")
	equal(t, "funds of the first are withdrawn", p.Disputes[0].FundsWithdrawn, false)
}

func TestFundsAreWithdrawnUntilReturned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		moved []int64
		want  bool
	}{{nil, false}, {[]int64{-500}, true}, {[]int64{-500, 480}, false}, {[]int64{-500, 500, -500}, true}} {
		if got := payment.Withdrawn(tt.moved...); got != tt.want {
			t.Errorf("withdrawn after %v = %v, want %v", tt.moved, got, tt.want)
		}
	}
}
