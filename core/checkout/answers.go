package checkout

import (
	"bytes"
	"encoding/json"
	"slices"

	"patchbay/core/payment"
	"patchbay/ports"
)

// freeze keeps the answer to repeats of the keys of operations that have ended: the
// payment as it stood then. As long as nothing has changed since, that is the payment
// itself, so that the answer is kept only when it is about to change. What is not to be
// sent again is not kept.
func (st *stored) freeze() error {
	p := &st.payment
	p.Forget()
	var before *payment.Payment // as it is stored
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
			if err := ports.DecodeJSON("payment", st.record.Body, before); err != nil {
				return err
			}
		}
		op.Then = p.Remember(*before)
	}
	return nil
}

// answered are the operations to whose keys the payment, as it stands, is the answer.
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

// answerOf is the payment as the operation was answered: as it stands where nothing has
// changed since, and while the operation is open.
func answerOf(now payment.Payment, op payment.Operation) (payment.Payment, error) {
	switch {
	case op.Then != nil:
		return now.As(op.Then), nil
	case op.Answer != nil:
		return earlier(now, op)
	}
	return now, nil
}

// earlier reads an answer that an earlier version has kept: the whole payment.
func earlier(now payment.Payment, op payment.Operation) (payment.Payment, error) {
	var then payment.Payment
	if err := ports.DecodeJSON("answer of a payment", op.Answer, &then); err != nil {
		return payment.Payment{}, err
	}
	if now.Status.Terminal() {
		then.Conceal()
	}
	return then, nil
}

// restate keeps an answer of an earlier version as this one does, which takes far less.
// One that cannot be given in the same words stays as it is.
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
