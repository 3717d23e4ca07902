package directory

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

const (
	feedEvery = time.Second
	feedBatch = 500
	// rivals is how many changes of the copy one change may take, where emails
	// have gone from hand to hand, or others change it at the same time.
	rivals = 1000
)

// Run feeds the copy until ctx ends. Several gateways may feed one.
func (s *Standby) Run(ctx context.Context) {
	ticker := time.NewTicker(feedEvery)
	defer ticker.Stop()
	behind := false
	for {
		// Conflict: another gateway that feeds it has come further.
		if err := s.feed(ctx); err != nil && !fault.Is(err, fault.Conflict) && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "standby is not fed", "error", err)
		}
		behind = s.tell(ctx, behind)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tell tells in the log that the copy is too far behind to be read, and that it is not any
// more. Before it is fed for the first time that is no news.
func (s *Standby) tell(ctx context.Context, was bool) (behind bool) {
	asOf, err := s.AsOf()
	behind = err != nil && !asOf.IsZero()
	switch {
	case behind && !was:
		s.Log.ErrorContext(ctx, "standby is too far behind to be read", "for", s.Lag(), "since", asOf)
	case was && !behind:
		s.Log.InfoContext(ctx, "standby may be read again", "for", s.Lag())
	}
	return behind
}

// state says how far the copy is: up to Seq in the feed, which has all changes
// before AsOf. ID is that of the event there, empty in what earlier versions kept.
type state struct {
	Seq  int64     `json:"seq"`
	ID   string    `json:"id,omitempty"`
	AsOf time.Time `json:"asOf"`
	// Anew tells that the copy is of a store in whose place an older one was put: it may not
	// be read before it was made from the beginning. Until then nothing else is kept here.
	Anew bool `json:"anew,omitempty"`
}

// feed brings the copy up to date. Events say which users have changed; what they
// are is read from the store, so that order and repeats do not matter.
func (s *Standby) feed(ctx context.Context) error {
	now := s.Clock.Now()
	at, record, err := s.load(ctx)
	if err != nil {
		return err
	}
	if now.Sub(at.AsOf) < feedEvery/2 { // another gateway has done it
		s.note(at.AsOf, at.AsOf)
		return nil
	}
	// What is saved but not in the feed yet would be missed: it comes first.
	for {
		moved, err := s.Feed.Publish(ctx, feedBatch)
		if err != nil {
			return err
		}
		if moved == 0 {
			break
		}
	}
	if at, err = s.check(ctx, &record, at); err != nil {
		return err
	}
	tenants := map[string]bool{}
	for {
		events, err := s.Feed.Feed(ctx, ports.AllTenants, at.Seq, feedBatch)
		if err != nil {
			return err
		}
		s.note(time.Time{}, now)
		if err := s.refreshAll(ctx, events, at.Anew); err != nil {
			return err
		}
		if len(events) == 0 {
			break
		}
		at.Seq, at.ID = events[len(events)-1].Seq, events[len(events)-1].ID
		for _, e := range events {
			tenants[e.Tenant] = true
		}
		if at.Anew { // all of it, or nothing
			continue
		}
		if err := s.save(ctx, &record, at); err != nil {
			return err
		}
	}
	if at.Anew {
		if err := s.clear(ctx, tenants); err != nil {
			return err
		}
	}
	at.AsOf, at.Anew = now, false
	if err := s.save(ctx, &record, at); err != nil {
		return err
	}
	s.note(now, now)
	return nil
}

// check reports where to go on: from the beginning where the event up to which the copy is
// is absent, or is another. The store is then an older one than that which was copied.
func (s *Standby) check(ctx context.Context, r *ports.Record, at state) (state, error) {
	if at.Seq > 0 && at.ID != "" {
		events, err := s.Feed.Feed(ctx, ports.AllTenants, at.Seq-1, 1)
		if err != nil || len(events) > 0 && events[0].ID == at.ID {
			return at, err
		}
		s.Log.WarnContext(ctx, "standby is a copy of what the store was before an older copy of it was put back; it is made anew")
		at = state{Anew: true}
		if err := s.save(ctx, r, at); err != nil {
			return at, err
		}
	}
	if at.Anew {
		s.forget()
	}
	return at, nil
}

// clear takes out of the copy, of these tenants, whom the store does not have. A tenant of whom
// the feed tells nothing is not looked at.
func (s *Standby) clear(ctx context.Context, tenants map[string]bool) error {
	for tenant := range tenants {
		err := ports.Walk(ctx, s.Copy, tenant, copyKind, feedBatch, func(page []ports.Record) error {
			for _, r := range page {
				_, err := s.Users.FindByID(ctx, tenant, r.ID)
				if fault.Is(err, fault.NotFound) {
					err = s.refresh(ctx, tenant, r.ID, true)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forget says that the copy may not be read.
func (s *Standby) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asOf = time.Time{}
}

// note remembers how far the copy is, and when the store was reached.
func (s *Standby) note(asOf, reached time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if asOf.After(s.asOf) {
		s.asOf = asOf
	}
	if reached.After(s.reached) {
		s.reached = reached
	}
}

func (s *Standby) load(ctx context.Context) (state, ports.Record, error) {
	r, err := s.Copy.Get(ctx, "", stateKind, stateID)
	if fault.Is(err, fault.NotFound) {
		return state{}, ports.Record{Kind: stateKind, ID: stateID}, nil
	}
	if err != nil {
		return state{}, ports.Record{}, err
	}
	at, err := ports.Decode(r, func(at state) bool { return at.Seq > 0 || at.Anew || !at.AsOf.IsZero() })
	return at, r, err
}

// save says how far the copy is. Conflict: another gateway has come further.
func (s *Standby) save(ctx context.Context, r *ports.Record, at state) error {
	body, err := json.Marshal(at)
	if err != nil {
		return fault.Wrap(fault.Internal, "directory.copy", err)
	}
	r.Body = body
	return s.Copy.Save(ctx, r)[0]
}

func (s *Standby) refreshAll(ctx context.Context, events []event.Feed, anew bool) error {
	type who struct{ tenant, id string }
	done := map[who]bool{}
	for _, e := range events {
		one := who{e.Tenant, e.Subject}
		if !strings.HasPrefix(e.Type, "user.") || done[one] {
			continue
		}
		if err := s.refresh(ctx, e.Tenant, e.Subject, anew); err != nil {
			return err
		}
		done[one] = true
	}
	return nil
}

// refresh copies a user as it is now, and then those from whom it has taken the
// email in the copy: they have lost it since. anew tells that what the copy has is of
// another history: it is not newer than the store, whatever its version.
func (s *Standby) refresh(ctx context.Context, tenant, id string, anew bool) error {
	todo := []string{id}
	for range rivals {
		if len(todo) == 0 {
			return nil
		}
		displaced, err := s.copy(ctx, tenant, todo[0], anew)
		switch {
		case fault.Is(err, fault.Conflict):
		case err != nil:
			return err
		default:
			todo = todo[1:]
		}
		if displaced != "" {
			todo = append(todo, displaced)
		}
	}
	return fault.New(fault.Unavailable, "copy_contended", "too many change the copy at once")
}

// copy puts one user into the copy as it is now. Conflict: try again. displaced is
// the one that had its email there, and has to be copied too.
func (s *Standby) copy(ctx context.Context, tenant, id string, anew bool) (displaced string, err error) {
	u, err := s.Users.FindByID(ctx, tenant, id)
	gone := fault.Is(err, fault.NotFound)
	if err != nil && !gone {
		return "", err
	}
	r, err := s.Copy.Get(ctx, tenant, copyKind, id)
	switch {
	case fault.Is(err, fault.NotFound):
		r = ports.Record{Tenant: tenant, Kind: copyKind, ID: id}
	case err != nil:
		return "", err
	default:
		before, err := decode(r)
		// A user that was deleted never comes back.
		if err != nil || !anew && (before.Deleted || !gone && !before.Stale && before.User.Version >= u.Version) {
			return "", err
		}
	}
	if err := fill(&r, copied{User: u, Deleted: gone}); err != nil {
		return "", err
	}
	err = s.Copy.Save(ctx, &r)[0]
	if !fault.Is(err, fault.Conflict) || gone {
		return "", err
	}
	displaced, derr := s.displace(ctx, r.Ref, id)
	return displaced, cmp.Or(derr, err)
}

// displace takes an email from whoever has it in the copy.
func (s *Standby) displace(ctx context.Context, ref, by string) (string, error) {
	holder, err := s.Copy.Find(ctx, copyKind, ports.ByRef, ref)
	if fault.Is(err, fault.NotFound) || err == nil && holder.ID == by {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	c, err := decode(holder)
	if err != nil {
		return "", err
	}
	c.Stale = true
	if err := fill(&holder, c); err != nil {
		return "", err
	}
	return holder.ID, s.Copy.Save(ctx, &holder)[0]
}

func fill(r *ports.Record, c copied) error {
	r.Ref, r.Index = "", ports.Index{Status: deleted}
	if !c.Deleted {
		r.Index = ports.Index{Status: present, Created: c.User.CreatedAt}
	}
	if !c.Deleted && !c.Stale {
		r.Ref = address(c.User.Tenant, c.User.Email)
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fault.Wrap(fault.Internal, "directory.copy", err)
	}
	r.Body = body
	return nil
}
