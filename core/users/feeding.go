package users

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
	// rivals is the maximum number of saves that copying one user may take, if emails have moved
	// between users, or others change the copy at the same time.
	rivals = 1000
)

// Run updates the copy until ctx ends. Several gateways may update the same copy.
func (s *Standby) Run(ctx context.Context) {
	ticker := time.NewTicker(feedEvery)
	defer ticker.Stop()
	behind := false
	for {
		// Conflict: another gateway has updated the copy further.
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

// tell logs when the copy falls too far behind to be read, and when it may be read again. It
// logs nothing before the first update.
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

// state is the progress of the copy: it has the events up to Seq, and all changes before AsOf.
// ID is the id of the event at Seq, empty in states written by earlier versions.
type state struct {
	Seq  int64     `json:"seq"`
	ID   string    `json:"id,omitempty"`
	AsOf time.Time `json:"asOf"`
	// Anew means that the store was restored from an older copy of itself. The standby may not be
	// read until it has been rebuilt from the beginning of the feed. Until then no other field is
	// set.
	Anew bool `json:"anew,omitempty"`
}

// feed brings the copy up to date. Events only say which users have changed. The users
// themselves are read from the store, so the order of events and repeats do not matter.
func (s *Standby) feed(ctx context.Context) error {
	now := s.Clock.Now()
	at, record, err := s.load(ctx)
	if err != nil {
		return err
	}
	if now.Sub(at.AsOf) < feedEvery/2 { // another gateway has just done it
		s.note(at.AsOf, at.AsOf)
		return nil
	}
	// Publish first: changes that are saved but not in the feed yet would be missed.
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
		if at.Anew { // a rebuild is saved only as a whole
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

// check returns where to continue: at the beginning if the event at which the copy stands is
// missing from the feed or is another one. Then the store was restored from an older copy of
// itself.
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

// clear removes the users of these tenants that the store does not have from the copy. Tenants
// without events in the feed are not visited.
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

// forget marks the copy as not readable.
func (s *Standby) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asOf = time.Time{}
}

// note records how far the copy is, and when the store was last reached.
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

// save stores how far the copy is. Conflict: another gateway has updated it further.
func (s *Standby) save(ctx context.Context, r *ports.Record, at state) error {
	body, err := json.Marshal(at)
	if err != nil {
		return fault.Wrap(fault.Internal, "users.copy", err)
	}
	r.Body = body
	return s.Copy.Save(ctx, r)[0]
}

func (s *Standby) refreshAll(ctx context.Context, events []event.Event, anew bool) error {
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

// refresh copies the current state of a user, and then of each user that lost its email to it in
// the copy: those have a different email by now. anew means that the copy has another history:
// its users are overwritten even if their version is not lower than the store's.
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

// copy copies the current state of one user. Conflict: try again. displaced is the user that had
// its email in the copy; it must be copied too.
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
		// A deleted user never comes back.
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

// displace removes an email from the user that has it in the copy.
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
		return fault.Wrap(fault.Internal, "users.copy", err)
	}
	r.Body = body
	return nil
}
