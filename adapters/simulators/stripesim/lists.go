package stripesim

import (
	"context"
	"slices"

	"patchbay/core/fault"
)

const pageLimit = 100

func (s *Sim) retrieve(q *request) (any, *Failure, error) {
	expanded, f := q.expands("latest_charge")
	if f != nil {
		return nil, f, nil
	}
	r, f, err := s.subject(q, "intent", q.id)
	if f != nil || err != nil {
		return nil, f, err
	}
	return s.intentObject(&r.Intent, &r.Intent.State, expanded), nil, nil
}

// subject reads the record that a request names.
func (s *Sim) subject(q *request, param, id string) (*Record, *Failure, error) {
	r, err := s.get(q.ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil, missing(param, "payment_intent", id), nil
	}
	return r, nil, err
}

// get reads a record, with the changes that are due by now.
func (s *Sim) get(ctx context.Context, id string) (*Record, error) {
	r, err := s.book.Get(ctx, id)
	if err == nil {
		r.Elapse(s.now())
	}
	return r, err
}

// walk calls visit with all records, newest first, after that of an intent, until visit returns
// false.
func (s *Sim) walk(ctx context.Context, after, customer string, n int, visit func(*Record) bool) error {
	for {
		page, err := s.book.List(ctx, after, customer, n)
		if err != nil {
			return err
		}
		for _, r := range page {
			if r.Elapse(s.now()); !visit(r) {
				return nil
			}
		}
		if len(page) < n {
			return nil
		}
		after = page[len(page)-1].Intent.ID
	}
}

// list lists intents. It stops at the first that is too old.
func (s *Sim) list(q *request) (any, *Failure, error) {
	expanded, f := q.expands("data.latest_charge")
	if f != nil {
		return nil, f, nil
	}
	limit, f := q.limit()
	if f != nil {
		return nil, f, nil
	}
	o, before := listObject{Object: "list", URL: "/v1/payment_intents", Data: []any{}}, q.text("ending_before")
	if before != "" {
		if _, f, err := s.subject(q, "ending_before", before); f != nil || err != nil {
			return nil, missingInBody("ending_before", "payment_intent", before), err
		}
	}
	err := s.walk(q.ctx, q.text("starting_after"), q.text("customer"), limit+1, func(r *Record) bool {
		created := r.Intent.Created.Unix()
		switch {
		case r.Intent.ID == before, q.tooOld(created):
			return false
		case q.tooNew(created):
			return true
		}
		if o.More = len(o.Data) == limit; !o.More {
			o.Data = append(o.Data, s.intentObject(&r.Intent, &r.Intent.State, expanded))
		}
		return !o.More
	})
	if fault.Is(err, fault.NotFound) {
		return nil, missingInBody("starting_after", "payment_intent", q.text("starting_after")), nil
	}
	return o, nil, err
}

func (q *request) tooOld(created int64) bool {
	return q.form.Has("created[gt]") && created <= q.number("created[gt]") || q.form.Has("created[gte]") && created < q.number("created[gte]")
}

func (q *request) tooNew(created int64) bool {
	return q.form.Has("created[lt]") && created >= q.number("created[lt]") || q.form.Has("created[lte]") && created > q.number("created[lte]")
}

func (s *Sim) refunds(q *request) (any, *Failure, error) {
	var all []any
	var ids []string
	f, err := s.each(q, func(r *Record) bool {
		for n := len(r.Refunds) - 1; n >= 0; n-- {
			all, ids = append(all, newRefundObject(&r.Intent, &r.Refunds[n])), append(ids, r.Refunds[n].ID)
		}
		return true
	})
	if f != nil || err != nil {
		return nil, f, err
	}
	return q.page("refund", all, ids)
}

func (s *Sim) disputes(q *request) (any, *Failure, error) {
	var all []any
	var ids []string
	f, err := s.each(q, func(r *Record) bool {
		for n := len(r.Disputes) - 1; n >= 0; n-- {
			all, ids = append(all, newDisputeObject(&r.Intent, &r.Disputes[n])), append(ids, r.Disputes[n].ID)
		}
		return true
	})
	if f != nil || err != nil {
		return nil, f, err
	}
	return q.page("dispute", all, ids)
}

// each visits the record of the intent that a list is about, or all records.
func (s *Sim) each(q *request, visit func(*Record) bool) (*Failure, error) {
	reference := q.text("payment_intent")
	if reference == "" {
		return nil, s.walk(q.ctx, "", "", pageLimit, visit)
	}
	r, f, err := s.subject(q, "payment_intent", reference)
	if f == nil && err == nil {
		visit(r)
	}
	return f, err
}

func (q *request) limit() (int, *Failure) {
	if !q.form.Has("limit") {
		return 10, nil
	}
	limit := int(q.number("limit"))
	if limit < 1 || limit > pageLimit {
		return 0, invalid("parameter_invalid_integer", "limit", "This value must be between 1 and 100.")
	}
	return limit, nil
}

// page returns the page that the request asks for: docs.stripe.com/api/pagination.
func (q *request) page(what string, all []any, ids []string) (any, *Failure, error) {
	limit, f := q.limit()
	if f != nil {
		return nil, f, nil
	}
	from, to := 0, len(all)
	if id := q.text("starting_after"); id != "" {
		if from = slices.Index(ids, id) + 1; from == 0 {
			return nil, missingInBody("starting_after", what, id), nil
		}
	}
	if id := q.text("ending_before"); id != "" {
		if to = slices.Index(ids, id); to < 0 {
			return nil, missingInBody("ending_before", what, id), nil
		}
	}
	cut := all[min(from, to):to]
	return listObject{
		Object: "list", URL: q.path, More: len(cut) > limit, Data: append([]any{}, cut[:min(limit, len(cut))]...),
	}, nil, nil
}
