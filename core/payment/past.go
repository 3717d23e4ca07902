package payment

import (
	"maps"
	"reflect"
	"slices"
	"time"
)

// Then is a payment as it was answered under a key, without the fields that cannot have
// changed since. Operations, Refunds, Disputes and Reviews are indexes into the payment's
// Past.
type Then struct {
	Status            Status      `json:"status"`
	Provider          string      `json:"provider"`
	ProviderReference string      `json:"providerReference,omitempty"`
	Account           string      `json:"account,omitempty"`
	Secrets           bool        `json:"secrets,omitempty"` // it had the client secret
	NextAction        *NextAction `json:"nextAction,omitempty"`
	AmountCapturable  int64       `json:"amountCapturable,omitempty"`
	AmountCaptured    int64       `json:"amountCaptured,omitempty"`
	AmountRefunded    int64       `json:"amountRefunded,omitempty"`
	Error             *Failure    `json:"error,omitempty"`
	NeedsReview       bool        `json:"needsReview,omitempty"`
	UpdatedAt         time.Time   `json:"updatedAt"`
	Operations        []int       `json:"operations"`
	Refunds           []int       `json:"refunds,omitempty"`
	Disputes          []int       `json:"disputes,omitempty"`
	Reviews           []int       `json:"reviews,omitempty"`
}

// Past holds the states that stored answers show, each state once, however many answers show
// it. Otherwise the record of a payment would grow with the square of its operations.
type Past struct {
	Operations []Operation   `json:"operations"`
	Refunds    []RefundEntry `json:"refunds,omitempty"`
	Disputes   []Dispute     `json:"disputes,omitempty"`
	Reviews    []Review      `json:"reviews,omitempty"`
}

// Shown returns the payment without the fields that no answer shows.
func (p Payment) Shown() Payment {
	p.Past, p.Objects, p.AskAt, p.Asked, p.NextLookAt, p.KnownSince, p.Found = nil, nil, time.Time{}, 0, time.Time{}, time.Time{}, false
	p.Operations = slices.Clone(p.Operations)
	for i, op := range p.Operations {
		p.Operations[i] = Operation{
			ID: op.ID, Action: op.Action, Provider: op.Provider, Amount: op.Amount, Outcome: op.Outcome, Reference: op.Reference,
			Error: op.Error, Kind: op.Kind, Tries: op.Tries, StartedAt: op.StartedAt, EndedAt: op.EndedAt,
		}
	}
	return p
}

// RecordAnswer stores the payment as it was answered. then is an earlier state of it.
func (p *Payment) RecordAnswer(then Payment) *Then {
	then = then.Shown()
	past := Past{}
	if p.Past != nil {
		past = *p.Past
	}
	t := &Then{
		Status: then.Status, Provider: then.Provider, ProviderReference: then.ProviderReference, Account: then.Account,
		Secrets: then.ClientSecret != "", NextAction: then.NextAction,
		AmountCapturable: then.AmountCapturable, AmountCaptured: then.AmountCaptured, AmountRefunded: then.AmountRefunded,
		Error: then.Error, NeedsReview: then.NeedsReview, UpdatedAt: then.UpdatedAt,
		Operations: addStates(&past.Operations, then.Operations), Refunds: addStates(&past.Refunds, then.Refunds),
		Disputes: addStates(&past.Disputes, then.Disputes), Reviews: addStates(&past.Reviews, then.Reviews),
	}
	p.Past = &past
	return t
}

// addStates adds the items to all that are not in it yet, and returns the indexes of the items. It
// searches from the end, since the newest states are the likeliest.
func addStates[T any](all *[]T, items []T) (places []int) {
	for _, item := range items {
		at := len(*all) - 1
		for at >= 0 && !reflect.DeepEqual((*all)[at], item) {
			at--
		}
		if at < 0 {
			*all = append(slices.Clip(*all), item)
			at = len(*all) - 1
		}
		places = append(places, at)
	}
	return places
}

// AsAnswered returns the payment as it was answered. Secrets that allow somebody to continue the
// payment are shown only while the payment still has them.
func (p Payment) AsAnswered(t *Then) Payment {
	past := Past{}
	if p.Past != nil {
		past = *p.Past
	}
	p = p.Shown()
	if !t.Secrets {
		p.ClientSecret, p.PublishableKey = "", ""
	}
	p.Status, p.Provider, p.ProviderReference, p.Account, p.NextAction = t.Status, t.Provider, t.ProviderReference, t.Account, t.NextAction
	p.AmountCapturable, p.AmountCaptured, p.AmountRefunded = t.AmountCapturable, t.AmountCaptured, t.AmountRefunded
	p.Error, p.NeedsReview, p.UpdatedAt = t.Error, t.NeedsReview, t.UpdatedAt
	p.Operations, p.Refunds = statesAt(past.Operations, t.Operations), statesAt(past.Refunds, t.Refunds)
	p.Disputes, p.Reviews = statesAt(past.Disputes, t.Disputes), statesAt(past.Reviews, t.Reviews)
	return p
}

func statesAt[T any](all []T, places []int) (items []T) {
	for _, at := range places {
		if at >= 0 && at < len(all) {
			items = append(items, all[at])
		}
	}
	return items
}

// CompactPast removes what no answer shows any more.
func (p *Payment) CompactPast() {
	if p.Past == nil {
		return
	}
	var operations, refunds, disputes, reviews []*[]int
	for i := range p.Operations {
		op := &p.Operations[i]
		if op.Then == nil {
			continue
		}
		then := *op.Then // others may be reading op.Then
		op.Then = &then
		operations, refunds = append(operations, &then.Operations), append(refunds, &then.Refunds)
		disputes, reviews = append(disputes, &then.Disputes), append(reviews, &then.Reviews)
	}
	if len(operations) == 0 {
		p.Past = nil
		return
	}
	p.Past = &Past{
		Operations: retain(p.Past.Operations, operations), Refunds: retain(p.Past.Refunds, refunds),
		Disputes: retain(p.Past.Disputes, disputes), Reviews: retain(p.Past.Reviews, reviews),
	}
}

// retain returns the items that the lists refer to, and updates the lists to the new indexes.
func retain[T any](all []T, lists []*[]int) (kept []T) {
	moved := make(map[int]int, len(all))
	for _, list := range lists {
		var places []int
		for _, at := range *list {
			if at < 0 || at >= len(all) {
				continue
			}
			to, ok := moved[at]
			if !ok {
				to = len(kept)
				kept, moved[at] = append(kept, all[at]), to
			}
			places = append(places, to)
		}
		*list = places
	}
	return kept
}

// Erased replaces a text that was erased.
const Erased = "erased"

// Erase removes personal data from the payment. What remains is needed for the books:
// amounts, dates, the provider and its references, the operations and their outcomes. No
// operation may be open, since it could not be repeated or looked up any more.
func (p *Payment) Erase(now time.Time) {
	if !p.ErasedAt.IsZero() {
		return
	}
	p.ErasedAt = now
	p.CustomerID, p.Description, p.ReturnURL, p.ClientSecret = "", "", "", ""
	p.Metadata, p.NextAction, p.Past = nil, nil, nil
	p.Error = p.Error.erase()
	for i := range p.Reviews {
		p.Reviews[i].Note = ""
	}
	for i := range p.Operations {
		op := &p.Operations[i]
		op.Request = Request{Reference: op.Request.Reference, Confirm: op.Request.Confirm}
		op.Error = op.Error.erase()
		op.ClearAnswer()
		op.Body, op.Erased = "", true
	}
}

// erase keeps the codes. The message is the provider's and may name anybody.
func (f *Failure) erase() *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Code: f.Code, DeclineCode: f.DeclineCode, Message: Erased}
}

// storable returns the part of an intent that the payment may store: all of it, unless the
// payment was erased or is final. So no later intent restores what was removed.
func (p *Payment) storable(i Intent) Intent {
	if p.Status.Terminal() {
		i.ClientSecret, i.PublishableKey = "", ""
	}
	if !p.ErasedAt.IsZero() {
		i.ClientSecret, i.NextAction, i.Failure = "", nil, i.Failure.erase()
	}
	return i
}

// Concerns reports whether the payment belongs to a person: its customer, or a value of its
// metadata, names the person.
func (p *Payment) Concerns(names func(value string) bool) bool {
	return names(p.CustomerID) || slices.ContainsFunc(slices.Collect(maps.Values(p.Metadata)), names)
}
