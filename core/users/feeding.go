package users

import (
	"cmp"
	"context"
	"strings"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

const (
	updateEvery = time.Second
	feedBatch   = 500
	// maxSaves is the maximum number of saves that copying one user may take, if emails have moved
	// between users, or others change the copy at the same time.
	maxSaves = 1000
)

// Run updates the copy until ctx ends. Several gateways may update the same copy.
func (s *Standby) Run(ctx context.Context) {
	ticker := time.NewTicker(updateEvery)
	defer ticker.Stop()
	behind := false
	for {
		// Conflict: another gateway has updated the copy further.
		if err := s.update(ctx); err != nil && !fault.Is(err, fault.Conflict) && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "standby is not fed", "error", err)
		}
		behind = s.logLag(ctx, behind)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// logLag logs when the copy falls too far behind to be read, and when it may be read again. It
// logs nothing before the first update.
func (s *Standby) logLag(ctx context.Context, was bool) (behind bool) {
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

// state is the progress of the copy, which no two gateways may make at once: each save is refused
// with Conflict if another gateway has updated the copy further. The copy has the events up to Seq,
// and all changes before AsOf. ID is the id of the event at Seq, empty in states written by earlier
// versions.
type state struct {
	Seq  int64     `json:"seq"`
	ID   string    `json:"id,omitempty"`
	AsOf time.Time `json:"asOf"`
	// Rebuild means that the store was restored from an older copy of itself. The standby may not be
	// read until it has been rebuilt from the beginning of the feed. Until then no other field is
	// set.
	Rebuild bool `json:"anew,omitempty"`
}

// update brings the copy up to date. Events only say which users have changed. The users
// themselves are read from the store, so the order of events and repeats do not matter.
func (s *Standby) update(ctx context.Context) error {
	now := s.Clock.Now()
	stored, err := s.states.Open(ctx, "", stateID)
	if err != nil {
		return err
	}
	at := &stored.Value
	if now.Sub(at.AsOf) < updateEvery/2 { // another gateway has just done it
		s.setProgress(at.AsOf, at.AsOf)
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
	if err := s.checkHistory(ctx, &stored); err != nil {
		return err
	}
	tenants := map[string]bool{}
	for {
		events, err := s.Feed.Feed(ctx, ports.AllTenants, at.Seq, feedBatch)
		if err != nil {
			return err
		}
		s.setProgress(time.Time{}, now)
		if err := s.refreshAll(ctx, events, at.Rebuild); err != nil {
			return err
		}
		if len(events) == 0 {
			break
		}
		at.Seq, at.ID = events[len(events)-1].Seq, events[len(events)-1].ID
		for _, e := range events {
			tenants[e.Tenant] = true
		}
		if at.Rebuild { // a rebuild is saved only as a whole
			continue
		}
		if err := s.states.Save(ctx, &stored); err != nil {
			return err
		}
	}
	if at.Rebuild {
		if err := s.removeOthers(ctx, tenants); err != nil {
			return err
		}
	}
	at.AsOf, at.Rebuild = now, false
	if err := s.states.Save(ctx, &stored); err != nil {
		return err
	}
	s.setProgress(now, now)
	return nil
}

// checkHistory sets the state back to the beginning if the event at which the copy stands is
// missing from the feed or is another one. Then the store was restored from an older copy of
// itself.
func (s *Standby) checkHistory(ctx context.Context, stored *record.Entry[state]) error {
	at := &stored.Value
	if at.Seq > 0 && at.ID != "" {
		events, err := s.Feed.Feed(ctx, ports.AllTenants, at.Seq-1, 1)
		if err != nil || len(events) > 0 && events[0].ID == at.ID {
			return err
		}
		s.Log.WarnContext(ctx, "standby is a copy of what the store was before an older copy of it was put back; it is made anew")
		*at = state{Rebuild: true}
		if err := s.states.Save(ctx, stored); err != nil {
			return err
		}
	}
	if at.Rebuild {
		s.setUnreadable()
	}
	return nil
}

// removeOthers removes the users of these tenants that the store does not have from the copy.
// Tenants without events in the feed are not visited.
func (s *Standby) removeOthers(ctx context.Context, tenants map[string]bool) error {
	for tenant := range tenants {
		err := s.copies.Walk(ctx, tenant, ports.Filter{}, nil, func(c record.Entry[copied]) error {
			_, err := s.Users.FindByID(ctx, tenant, c.Record.ID)
			if fault.Is(err, fault.NotFound) {
				err = s.refresh(ctx, tenant, c.Record.ID, true)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// setUnreadable marks the copy as not readable.
func (s *Standby) setUnreadable() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asOf = time.Time{}
}

// setProgress records how far the copy is, and when the store was last reached.
func (s *Standby) setProgress(asOf, reached time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if asOf.After(s.asOf) {
		s.asOf = asOf
	}
	if reached.After(s.reached) {
		s.reached = reached
	}
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
	for range maxSaves {
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
	c, err := s.copies.Open(ctx, tenant, id)
	if err != nil {
		return "", err
	}
	// A deleted user never comes back.
	if before := c.Value; c.Record.Rev > 0 && !anew && (before.Deleted || !gone && !before.Stale && before.User.Version >= u.Version) {
		return "", nil
	}
	err = s.put(ctx, &c, copied{User: u, Deleted: gone})
	if !fault.Is(err, fault.Conflict) || gone {
		return "", err
	}
	displaced, derr := s.displace(ctx, c.Record.Ref, id)
	return displaced, cmp.Or(derr, err)
}

// displace removes an email from the user that has it in the copy.
func (s *Standby) displace(ctx context.Context, ref, by string) (string, error) {
	holder, err := s.copies.Find(ctx, ports.ByRef, ref)
	if fault.Is(err, fault.NotFound) || err == nil && holder.Record.ID == by {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	c := holder.Value
	c.Stale = true
	return holder.Record.ID, s.put(ctx, &holder, c)
}

// put stores a user in the copy, with the columns by which it is found.
func (s *Standby) put(ctx context.Context, e *record.Entry[copied], c copied) error {
	e.Value, e.Record.Ref, e.Record.Index = c, "", ports.Index{Status: statusDeleted}
	if !c.Deleted {
		e.Record.Index = ports.Index{Status: statusPresent, Created: c.User.CreatedAt}
	}
	if !c.Deleted && !c.Stale {
		e.Record.Ref = address(c.User.Tenant, c.User.Email)
	}
	return s.copies.Save(ctx, e)
}
