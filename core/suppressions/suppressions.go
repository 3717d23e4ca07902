// Package suppressions keeps the addresses that get no more mail. Each address of a tenant is one
// record, named by a keyed hash of the address, so that one read by id finds it.
package suppressions

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"patchbay/core/email"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/suppression"
	"patchbay/core/user"
	"patchbay/ports"
)

const (
	kind   = "suppression"
	prefix = "sup_"

	// An inactive record is kept for the sake of older events, and not listed.
	statusActive, statusInactive = "active", "inactive"
)

// Options configures a Service.
type Options struct {
	Journal ports.Journal
	Clock   ports.Clock
	IDs     ports.IDs
	// HashSecret is the key of the hashes of addresses, and LinkSecret signs the tokens of
	// UnsubscribeURL. Both are the installation's.
	HashSecret, LinkSecret []byte
	Policy                 suppression.Policy
	// PublicURL is where recipients reach the API; empty for no UnsubscribeURL.
	PublicURL string
	// ASCIIAddress is what user.Mailbox takes, and Decomposed is that of user.Scripts. They may be nil.
	ASCIIAddress, Decomposed func(email string) (written string, err error)
	// Counted counts addresses that become suppressed. It may be nil.
	Counted func(r suppression.Reason)
}

// Service keeps suppressions. It implements ports.Suppressions.
type Service struct {
	Options
	records record.Repository[entry]
}

type entry = record.Entry[suppression.Suppression]

var _ ports.Suppressions = (*Service)(nil)

// New returns a Service.
func New(o Options) *Service {
	if o.Counted == nil {
		o.Counted = func(suppression.Reason) {}
	}
	holds := func(s suppression.Suppression, id string) bool { return s.ID == id }
	return &Service{Options: o, records: record.Of(o.Journal, kind, holds)}
}

var errNotFound = fault.New(fault.NotFound, "no_such_suppression", "this address is not suppressed")

// id returns the id of the suppression of an address. An address has the same one however it is
// written: in capitals, or with a domain in another script.
func (s *Service) id(tenant, address string) string {
	return s.idOf(tenant, user.Mailbox(address, s.ASCIIAddress))
}

// ids returns the ids that the suppressions of an address may have: the first is that of id. An earlier version
// took an address whose local part is decomposed for another one.
func (s *Service) ids(tenant, address string) []string {
	scripts := user.Scripts{ASCII: s.ASCIIAddress, Decomposed: s.Decomposed}
	mailbox := scripts.Mailbox(address)
	if s.Decomposed == nil {
		return []string{s.idOf(tenant, mailbox)}
	}
	if _, err := s.Decomposed(mailbox); err != nil {
		return []string{s.idOf(tenant, mailbox)}
	}
	all := scripts.Spellings(address)
	for i, one := range all {
		all[i] = s.idOf(tenant, one)
	}
	return all
}

func (s *Service) idOf(tenant, mailbox string) string {
	mac := hmac.New(sha256.New, s.HashSecret)
	for _, part := range []string{tenant, "\n", mailbox} {
		_, _ = mac.Write([]byte(part)) // a hash never fails
	}
	return prefix + spell(mac.Sum(nil)[:hashBytes])
}

// hashBytes is the length of a keyed hash in ids and tokens: 128 bits.
const hashBytes = 16

var alphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func spell(hash []byte) string { return alphabet.EncodeToString(hash) }

// Suppressed implements ports.Suppressions.
func (s *Service) Suppressed(ctx context.Context, tenant string, c email.Category, addresses []string) (map[string]suppression.Reason, error) {
	named := make(map[string][]string, len(addresses)) // addresses by id
	var ids []string
	for _, address := range addresses {
		for _, id := range s.ids(tenant, address) {
			if named[id] == nil {
				ids = append(ids, id)
			}
			named[id] = append(named[id], address)
		}
	}
	stored, err := s.stored(ctx, tenant, ids)
	if err != nil {
		return nil, err
	}
	reasons := make(map[string]suppression.Reason)
	for _, r := range stored {
		e, err := s.records.Decode(r)
		if err != nil {
			return nil, err
		}
		if why := e.Value.Stops(c, s.Policy); why != "" {
			for _, address := range named[r.ID] {
				reasons[address] = why
			}
		}
	}
	return reasons, nil
}

// stored reads the records with the ids that there are. A read of one record is cheaper than one of
// several, and most messages have one recipient.
func (s *Service) stored(ctx context.Context, tenant string, ids []string) ([]ports.Record, error) {
	if len(ids) != 1 {
		var all []ports.Record
		for some := range slices.Chunk(ids, ports.MaxGetAll) {
			records, err := s.Journal.GetAll(ctx, tenant, kind, some...)
			if err != nil {
				return nil, err
			}
			all = append(all, records...)
		}
		return all, nil
	}
	r, err := s.Journal.Get(ctx, tenant, kind, ids[0])
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return []ports.Record{r}, err
}

// Learn implements ports.Suppressions.
func (s *Service) Learn(ctx context.Context, tenant, address string, n email.Notification, r suppression.Reason, from suppression.Source) error {
	_, err := s.change(ctx, tenant, s.id(tenant, address), func(v *suppression.Suppression) error {
		if !v.Learn(r, n.At, from) {
			return record.ErrUnchanged
		}
		v.Email = s.known(v, address)
		return nil
	})
	return err
}

// known returns the address to store: the one that is stored already, or the given one if it is the
// suppression's. An erased address is not stored again because of an event.
func (s *Service) known(v *suppression.Suppression, address string) string {
	if v.Email == "" && v.ErasedAt.IsZero() && s.id(v.Tenant, address) == v.ID {
		return address
	}
	return v.Email
}

// Addition is an address that somebody suppresses.
type Addition struct {
	Email  string
	Reason suppression.Reason // empty means Manual
	Note   string
}

const maxNote = 500 // bytes

// Add suppresses an address, and returns what is known about it then. An address that is suppressed
// for the reason already stays as it is.
//
// Invalid, with the field; Unavailable; UnknownOutcome.
func (s *Service) Add(ctx context.Context, tenant string, a Addition) (suppression.Suppression, error) {
	if a.Reason == "" {
		a.Reason = suppression.Manual
	}
	address, err := email.ParseAddress(a.Email)
	switch {
	case err != nil || address.Email != a.Email:
		return suppression.Suppression{}, fault.InvalidParam("email", "invalid_address", "email must be one bare address such as ada@example.com")
	case !a.Reason.Known():
		return suppression.Suppression{}, errReason
	case len(a.Note) > maxNote || strings.ContainsFunc(a.Note, func(r rune) bool { return r < ' ' }):
		return suppression.Suppression{}, fault.InvalidParam("note", "invalid_note", "a note takes at most 500 bytes on one line")
	}
	e, err := s.change(ctx, tenant, s.id(tenant, a.Email), func(v *suppression.Suppression) error {
		if !v.Assert(a.Reason, s.Clock.Now(), suppression.Source{Note: a.Note}) && v.Email != "" {
			return record.ErrUnchanged
		}
		v.Email, v.ErasedAt = a.Email, time.Time{}
		return nil
	})
	return e.Value, err
}

var errReason = fault.InvalidParam("reason", "invalid_reason", "reason must be bounced, complained, unsubscribed or manual")

// ParseReason returns the reason with a name. Invalid.
func ParseReason(name string) (suppression.Reason, error) {
	if r := suppression.Reason(name); r.Known() {
		return r, nil
	}
	return "", errReason
}

// Remove makes the reasons of a suppression not count any more, all of them if none is given. Events
// from before now never bring them back.
//
// NotFound: no such suppression; with code not_suppressed_for_reason it has none of the reasons, but
// others. Unavailable; UnknownOutcome.
func (s *Service) Remove(ctx context.Context, tenant, id string, reasons ...suppression.Reason) error {
	if _, err := s.Get(ctx, tenant, id); err != nil {
		return err
	}
	first := true
	_, err := s.change(ctx, tenant, id, func(v *suppression.Suppression) error {
		counted := v.Remove(s.Clock.Now(), reasons...)
		if !counted && first {
			return missing(v, reasons)
		}
		if first = false; !counted { // an earlier save succeeded, only its response was lost
			return record.ErrUnchanged
		}
		return nil
	})
	return err
}

// missing returns the error about reasons that a suppression does not have.
func missing(v *suppression.Suppression, reasons []suppression.Reason) error {
	counting := v.Counting()
	if len(counting) == 0 {
		return errNotFound
	}
	var has []string
	for _, e := range counting {
		has = append(has, string(e.Reason))
	}
	var asked []string
	for _, r := range reasons {
		asked = append(asked, string(r))
	}
	return fault.New(fault.NotFound, "not_suppressed_for_reason",
		"this address is suppressed, but not for the reason "+strings.Join(asked, " or ")+"; it is for "+strings.Join(has, ", "))
}

// IDOf returns the id of the suppression of an address, whether it is suppressed or not.
func (s *Service) IDOf(tenant, address string) string { return s.id(tenant, address) }

// Get returns an active suppression. NotFound.
func (s *Service) Get(ctx context.Context, tenant, id string) (suppression.Suppression, error) {
	e, err := s.records.Get(ctx, tenant, id)
	if fault.Is(err, fault.NotFound) || err == nil && e.Record.Index.Status != statusActive {
		return suppression.Suppression{}, errNotFound
	}
	return e.Value, err
}

// List returns the active suppressions of a tenant, newest first.
func (s *Service) List(ctx context.Context, tenant, cursor string, limit int) (page []suppression.Suppression, next string, err error) {
	entries, next, err := s.records.List(ctx, tenant, ports.Filter{Status: statusActive}, cursor, limit)
	page = make([]suppression.Suppression, len(entries))
	for i, e := range entries {
		page[i] = e.Value
	}
	return page, next, err
}

// Walk passes the active suppressions of a tenant to each, newest first.
func (s *Service) Walk(ctx context.Context, tenant string, each func(suppression.Suppression) error) error {
	return s.records.Walk(ctx, tenant, ports.Filter{Status: statusActive}, nil, func(e entry) error { return each(e.Value) })
}

// change changes the suppression with an id, which need not be stored, and publishes which reasons
// begin and cease to count.
func (s *Service) change(ctx context.Context, tenant, id string, change func(*suppression.Suppression) error) (entry, error) {
	var begun []suppression.Reason
	e, err := s.records.Put(ctx, tenant, id, func(e *entry) error {
		v, now := &e.Value, s.Clock.Now()
		before := v.Counting()
		if e.Record.Rev == 0 {
			*v = suppression.Suppression{ID: id, Tenant: tenant, CreatedAt: now}
		}
		if err := change(v); err != nil {
			return err
		}
		v.UpdatedAt = now
		after := v.Counting()
		e.Record.Index = ports.Index{Status: statusInactive, Created: v.CreatedAt}
		if len(after) > 0 {
			e.Record.Index.Status = statusActive
		}
		begun = nil
		e.Record.Events = nil
		for _, one := range without(after, before) {
			begun = append(begun, one.Reason)
			e.Record.Events = append(e.Record.Events, s.event(v, "suppression.added", one))
		}
		for _, one := range without(before, after) {
			e.Record.Events = append(e.Record.Events, s.event(v, "suppression.removed", one))
		}
		return nil
	})
	if err == nil {
		for _, r := range begun {
			s.Counted(r)
		}
	}
	return e, err
}

// without returns the entries whose reasons the others do not have.
func without(all, others []suppression.Entry) (rest []suppression.Entry) {
	has := make(map[suppression.Reason]bool)
	for _, e := range others {
		has[e.Reason] = true
	}
	for _, e := range all {
		if !has[e.Reason] {
			rest = append(rest, e)
		}
	}
	return rest
}

// event makes an event for the feed. It contains no address.
func (s *Service) event(v *suppression.Suppression, name string, e suppression.Entry) event.Event {
	data := map[string]any{"reason": e.Reason}
	if e.Source.Message != "" {
		data["message"] = e.Source.Message
	}
	raw, _ := json.Marshal(data) // strings always encode
	return event.Event{ID: s.IDs.New("fev"), Tenant: v.Tenant, Type: name, Subject: v.ID, At: v.UpdatedAt, Data: raw}
}
