package payment_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/core/payment"
)

// grown is a payment on which something happens all the time.
type grown struct {
	payment.Payment
	r *rand.Rand
}

// happens changes what may change of a payment.
func (g *grown) happens() {
	p, n := &g.Payment, g.r.IntN(1000)
	p.UpdatedAt = p.UpdatedAt.Add(time.Duration(n) * time.Millisecond)
	switch g.r.IntN(9) {
	case 0:
		p.Operations = append(slices.Clip(p.Operations), payment.Operation{
			ID: fmt.Sprint("op_", len(p.Operations)), Action: payment.Refund, Provider: "acme", Amount: int64(n), Outcome: payment.Pending, StartedAt: p.UpdatedAt,
		})
	case 1:
		p.Operations = slices.Clone(p.Operations)
		op := &p.Operations[g.r.IntN(len(p.Operations))]
		op.Outcome, op.Reference, op.Tries = payment.Done, fmt.Sprint("re_", n), op.Tries+1
	case 2:
		p.Refunds = append(slices.Clip(p.Refunds), payment.RefundEntry{Reference: fmt.Sprint("re_", n), Amount: 1, Status: payment.RefundPending})
	case 3:
		p.Refunds = slices.Clone(p.Refunds)
		for i := range p.Refunds {
			p.Refunds[i].Status = payment.RefundSucceeded
		}
	case 4:
		p.Disputes = append(slices.Clip(p.Disputes), payment.Dispute{Reference: fmt.Sprint("dp_", n), Status: "needs_response"})
	case 5:
		p.Reviews = append(slices.Clip(p.Reviews), payment.Review{Reason: payment.ReviewAmount, At: p.UpdatedAt})
	case 6:
		p.Status, p.NextAction = payment.RequiresAction, &payment.NextAction{Type: "redirect_to_url", URL: fmt.Sprint("https://bank.example/", n)}
	case 7:
		p.Status, p.NextAction, p.Error = payment.RequiresPaymentMethod, nil, &payment.Failure{Code: "card_declined", Message: fmt.Sprint(n)}
	case 8:
		p.AmountCaptured, p.AmountRefunded, p.ProviderReference, p.Account = int64(n), int64(n/2), fmt.Sprint("pi_", n), fmt.Sprint("acct_", n)
	}
}

func text(t *testing.T, p payment.Payment) string {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// stored is the payment as it comes back from its record.
func stored(t *testing.T, p payment.Payment) (back payment.Payment) {
	t.Helper()
	if err := json.Unmarshal([]byte(text(t, p)), &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// Whatever becomes of a payment, and whichever answers are given up meanwhile, each that is
// kept is as it was.
func TestStoredAnswerIsReplayedUnchanged(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		g := grown{r: rand.New(rand.NewPCG(seed, 1)), Payment: payment.Payment{
			ID: "pay_1", Amount: 1000, Currency: "eur", Metadata: map[string]string{"order": "1"}, Description: "shoes", ClientSecret: "pi_1_hush",
			Operations: []payment.Operation{{ID: "op_0", Action: payment.Create, Provider: "acme", Outcome: payment.Done}},
			CreatedAt:  noon, UpdatedAt: noon,
		}}
		was := map[string]string{}
		for range 60 {
			for range 1 + g.r.IntN(3) {
				g.happens()
			}
			g.Payment = stored(t, g.Payment)
			g.Operations = slices.Clone(g.Operations)
			op := &g.Operations[g.r.IntN(len(g.Operations))]
			switch {
			case op.Then == nil:
				was[op.ID] = text(t, g.Shown())
				op.Then = g.RecordAnswer(g.Payment)
			case g.r.IntN(4) == 0:
				op.ClearAnswer()
				delete(was, op.ID)
			}
			g.CompactPast()
			for _, op := range g.Operations {
				if got := ""; op.Then != nil {
					if got = text(t, g.AsAnswered(op.Then)); got != was[op.ID] {
						t.Fatalf("seed %d: %s was answered\n%s\nand is\n%s", seed, op.ID, was[op.ID], got)
					}
				}
			}
			if len(was) == 0 != (g.Past == nil) {
				t.Fatalf("seed %d: %d answers, and %+v", seed, len(was), g.Past)
			}
		}
	}
}

// What answers have in common is kept once.
func TestStoredAnswersTakeOnlyTheDifferences(t *testing.T) {
	t.Parallel()
	p := payment.Payment{Metadata: map[string]string{"large": strings.Repeat("x", 10_000)}}
	size := 0
	for n := range 100 {
		p.Operations = append(p.Operations, payment.Operation{ID: fmt.Sprint("op_", n), Action: payment.Refund, Provider: "acme", Outcome: payment.Done, StartedAt: noon})
		p.Refunds = append(p.Refunds, payment.RefundEntry{Reference: fmt.Sprint("re_", n), Operation: fmt.Sprint("op_", n), Amount: 1, Status: payment.RefundSucceeded})
		p.AmountRefunded++
		p.Operations[n].Then = p.RecordAnswer(p)
		size = len(text(t, p))
	}
	if size > 150_000 {
		t.Errorf("a hundred answers have %d bytes", size)
	}
	p.Operations[99].ClearAnswer()
	if p.CompactPast(); len(p.Past.Operations) != 99 || len(p.Past.Refunds) != 99 {
		t.Errorf("%d operations and %d refunds are kept for 99 answers", len(p.Past.Operations), len(p.Past.Refunds))
	}
}

func TestAFinalPaymentIsSealed(t *testing.T) {
	t.Parallel()
	const url = "https://bank.example/hush"
	for status, sealed := range map[payment.Status]bool{
		payment.Succeeded: true, payment.Canceled: true, payment.RequiresCapture: false, payment.RequiresAction: false,
		payment.RequiresPaymentMethod: false, payment.RequiresConfirmation: false, payment.Processing: false,
	} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			p := payment.Payment{
				Status: payment.RequiresAction, ClientSecret: "pi_1_hush", PublishableKey: "pk_1", NextAction: &payment.NextAction{Type: "redirect_to_url", URL: url},
				Operations: []payment.Operation{{ID: "op_1", Outcome: payment.Done}},
			}
			then := p.RecordAnswer(p)
			p.Operations[0].Then = then
			p.Status = status
			p.Seal()
			answer := p.AsAnswered(p.Operations[0].Then)
			for name, text := range map[string]string{"it": text(t, p), "what was answered": text(t, answer)} {
				if has := strings.Contains(text, "hush"); has == sealed {
					t.Errorf("%s: %s", name, text)
				}
			}
			if answer.NextAction == nil || answer.NextAction.Type != "redirect_to_url" {
				t.Errorf("next action of the answer = %+v, want the type redirect_to_url", answer.NextAction)
			}
			equal(t, "URL in the answer as it was stored before", then.NextAction.URL, url)
			if p.Merge(payment.Intent{ClientSecret: "pi_1_hush", PublishableKey: "pk_1"}); sealed && p.ClientSecret+p.PublishableKey != "" {
				t.Error("a later report restores the secret")
			}
		})
	}
}

func TestProviderTextsAreTruncated(t *testing.T) {
	t.Parallel()
	long := &payment.Failure{Code: "card_declined", Message: strings.Repeat("ä", 100_000)}
	p := payment.Payment{Error: long, Operations: []payment.Operation{{Error: long}, {Error: &payment.Failure{Message: "short"}}, {}}}
	p.Audit(noon)
	for _, f := range []*payment.Failure{p.Error, p.Operations[0].Error} {
		equal(t, "bytes of the message", len(f.Message), 1000)
		equal(t, "message without its letters", strings.Trim(f.Message, "ä"), "")
		equal(t, "code", f.Code, "card_declined")
	}
	equal(t, "a short message", p.Operations[1].Error.Message, "short")
	equal(t, "the error of an operation without one", p.Operations[2].Error, nil)
}
