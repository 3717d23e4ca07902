package stripesim

import (
	"slices"

	"patchbay/core/payment"
)

func (s *Sim) refund(q *request) (object, *failure) {
	expanded, f := q.expands("charge")
	if f != nil {
		return nil, f
	}
	if q.text("payment_intent") == "" {
		return nil, invalid("parameter_missing", "payment_intent", "One of the following params should be provided: payment_intent.")
	}
	i := s.find(q.text("payment_intent"))
	if i == nil {
		return nil, missing("payment_intent", "payment_intent", q.text("payment_intent"))
	}
	left, amount := i.received-i.entry().Refunded, q.number("amount")
	switch {
	case i.status != payment.Succeeded:
		return nil, impossible("", "payment_intent", "This PaymentIntent does not have a successful charge to refund.")
	case left == 0:
		return nil, impossible("charge_already_refunded", "", "Charge has already been refunded.")
	case amount < 0, amount == 0 && q.text("amount") != "":
		return nil, invalid("parameter_invalid_integer", "amount", "Invalid positive integer")
	case amount > left:
		return nil, impossible("", "amount", "Refund amount is greater than unrefunded amount on charge.")
	case amount == 0:
		amount = left
	}
	if f := checkMultiple("amount", amount, i.currency); f != nil {
		return nil, f
	}
	o := i.refundObject(s.giveBack(i, amount, q))
	if expanded {
		o["charge"] = i.chargeObject()
	}
	return o, nil
}

func (s *Sim) refunds(q *request) (object, *failure) {
	var all []object
	reference := q.text("payment_intent")
	if reference != "" && s.find(reference) == nil {
		return nil, missing("payment_intent", "payment_intent", reference)
	}
	for _, i := range slices.Backward(s.intents) {
		if reference != "" && i.id != reference {
			continue
		}
		for _, r := range slices.Backward(i.refunds) {
			all = append(all, i.refundObject(r))
		}
	}
	return q.page("/v1/refunds", "refund", all)
}

func (s *Sim) list(q *request) (object, *failure) {
	expanded, f := q.expands("data.latest_charge")
	if f != nil {
		return nil, f
	}
	var all []object
	for _, i := range slices.Backward(s.intents) {
		created := i.created.Unix()
		if q.within("created", created) && (q.text("customer") == "" || q.text("customer") == i.customer) {
			all = append(all, i.object(expanded))
		}
	}
	return q.page("/v1/payment_intents", "payment_intent", all)
}

// within reports whether a time is in the range that the request's parameters give.
func (q *request) within(param string, at int64) bool {
	for suffix, outside := range map[string]func(bound int64) bool{
		"[gt]": func(b int64) bool { return at <= b }, "[gte]": func(b int64) bool { return at < b },
		"[lt]": func(b int64) bool { return at >= b }, "[lte]": func(b int64) bool { return at > b },
	} {
		if q.form.Has(param+suffix) && outside(q.number(param+suffix)) {
			return false
		}
	}
	return true
}

// page returns the page that the request asks for: docs.stripe.com/api/pagination.
func (q *request) page(url, what string, all []object) (object, *failure) {
	limit := 10
	if q.form.Has("limit") {
		if limit = int(q.number("limit")); limit < 1 || limit > 100 {
			return nil, invalid("parameter_invalid_integer", "limit", "This value must be between 1 and 100.")
		}
	}
	at := func(id string) int { return slices.IndexFunc(all, func(o object) bool { return o["id"] == id }) }
	from := 0
	if id := q.text("starting_after"); id != "" {
		i := at(id)
		if i < 0 {
			return nil, missingInBody("starting_after", what, id)
		}
		from = i + 1
	}
	to := len(all)
	if id := q.text("ending_before"); id != "" {
		i := at(id)
		if i < 0 {
			return nil, missingInBody("ending_before", what, id)
		}
		to = i
	}
	cut := all[min(from, to):to]
	more := len(cut) > limit
	data := append([]object{}, cut[:min(limit, len(cut))]...)
	return object{"object": "list", "url": url, "has_more": more, "data": data}, nil
}
