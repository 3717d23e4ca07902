package payments

import (
	"bytes"
	"encoding/json"
	"slices"

	"patchbay/core/payment"
	"patchbay/core/record"
)

// freeze stores the answer for repeats of each key whose operation has ended: the payment
// as it was then. While nothing has changed since, that is the payment itself, so the
// answer is stored only when the payment is about to change. freeze also drops the request
// bodies that are not sent again.
func (st *stored) freeze() error {
	p := &st.payment
	p.Forget()
	var before *payment.Payment // as stored
	for i := range p.Operations {
		op := &p.Operations[i]
		if !op.Outcome.Open() {
			if op.EndedAt.IsZero() {
				op.EndedAt = p.UpdatedAt
			}
			if !retryable(op) || op.Key == "" {
				op.Body = ""
			}
		}
		if op.Answer != nil {
			if err := restate(p, op); err != nil {
				return err
			}
		}
		if op.Remembered() || op.Key == "" || op.Erased || !slices.Contains(st.told.answered, op.ID) {
			continue
		}
		if before == nil {
			before = new(payment.Payment)
			if err := record.DecodeJSON("payment", st.record.Body, before); err != nil {
				return err
			}
		}
		op.Then = p.Remember(*before)
	}
	return nil
}

// answered returns the IDs of the operations whose keys are answered with the payment as it is now.
func answered(p payment.Payment) []string {
	var ids []string
	for i := range p.Operations {
		op := &p.Operations[i]
		if op.Key != "" && !op.Remembered() && !op.Erased && !op.Outcome.Open() && !retryable(op) {
			ids = append(ids, op.ID)
		}
	}
	return ids
}

// answerOf returns the payment as the operation was answered. That is the present payment
// if nothing has changed since, or if the operation is open.
func answerOf(now payment.Payment, op payment.Operation) (payment.Payment, error) {
	switch {
	case op.Then != nil:
		return now.As(op.Then), nil
	case op.Answer != nil:
		return earlier(now, op)
	}
	return now, nil
}

// earlier reads an answer that an earlier version has stored: the whole payment.
func earlier(now payment.Payment, op payment.Operation) (payment.Payment, error) {
	var then payment.Payment
	if err := record.DecodeJSON("answer of a payment", op.Answer, &then); err != nil {
		return payment.Payment{}, err
	}
	if now.Status.Terminal() {
		then.Conceal()
	}
	return then, nil
}

// restate converts an answer stored by an earlier version to the present form, which is
// much smaller. An answer that would not read exactly the same stays as it is.
func restate(p *payment.Payment, op *payment.Operation) error {
	then, err := earlier(*p, *op)
	if err != nil {
		return err
	}
	was := p.Past
	t := p.Remember(then)
	one, err := json.Marshal(then.Shown())
	other, oerr := json.Marshal(p.As(t))
	if err != nil || oerr != nil || !bytes.Equal(one, other) {
		p.Past = was
		return nil
	}
	op.Then, op.Answer = t, nil
	return nil
}
