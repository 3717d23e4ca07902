package emails

import (
	"context"
	"maps"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

// Filter selects messages of a tenant. Empty fields select all.
type Filter struct {
	Status email.Status
	Batch  string // the id of a batch
	// Recipient is an address that the message was accepted for, in to, cc or bcc, however it is
	// written.
	Recipient string
	Tag       string
	Metadata  map[string]string // pairs, all of which the message has
	// From and Before limit when the message was accepted: not before From, and before Before.
	From, Before time.Time
}

// recordFilter returns the filter of the records of the messages. The store looks up the first term, and
// so the order is that of how few messages a value usually has.
func (s *Service) recordFilter(tenant string, f Filter) (ports.Filter, error) {
	out := ports.Filter{Status: string(f.Status), Customer: f.Batch, From: f.From, Before: f.Before}
	if f.Recipient != "" {
		a, err := email.ParseAddress(f.Recipient)
		if err != nil {
			return ports.Filter{}, fault.InvalidParam("recipient", "invalid_address", "recipient must be one address such as ada@example.com")
		}
		out.Terms = append(out.Terms, s.recipientTerm(tenant, a.Email))
	}
	if len(f.Metadata) > email.MaxMetadata {
		return ports.Filter{}, fault.InvalidParam("metadata", "too_many_keys", "metadata takes at most 20 keys")
	}
	for _, key := range slices.Sorted(maps.Keys(f.Metadata)) {
		out.Terms = append(out.Terms, s.term(tenant, fieldMetadata, key, f.Metadata[key]))
	}
	if f.Tag != "" {
		out.Terms = append(out.Terms, s.term(tenant, fieldTag, f.Tag))
	}
	return out, nil
}

// Page is one page of a list, newest first. Next is empty on the last page.
type Page struct {
	Messages []email.Message
	Next     string
}

// List returns the messages that a filter selects, newest first. A message that an earlier version has
// accepted is not found by recipient, tag or metadata until it changes for the next time.
//
// Invalid, with the Param recipient, metadata or cursor; Unavailable.
func (s *Service) List(ctx context.Context, tenant string, f Filter, cursor string, limit int) (Page, error) {
	filter, err := s.recordFilter(tenant, f)
	if err != nil {
		return Page{}, err
	}
	all, next, err := s.messages.List(ctx, tenant, filter, cursor, limit)
	page := Page{Messages: make([]email.Message, len(all)), Next: next}
	for i, st := range all {
		page.Messages[i] = st.message
	}
	return page, err
}
