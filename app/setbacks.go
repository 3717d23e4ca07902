package app

import (
	"context"
	"strings"
	"time"

	"patchbay/adapters/console"
	"patchbay/config"
	"patchbay/core/fault"
	"patchbay/core/queue"
)

// setbacks are those of the store, and of the spool beside it.
type setbacks []queue.Setbacks

func setbacksOf(store Storage, f fallback) setbacks {
	all := setbacks{{Journal: store.Journal}}
	if f.local != nil {
		all = append(all, queue.Setbacks{Journal: f.local})
	}
	return all
}

func (all setbacks) setAside(ctx context.Context) (list []queue.Setback, err error) {
	for _, one := range all {
		found, err := one.SetAside(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// shownAside is how many of what is set aside are named.
const shownAside = 100

// view describes what is set aside; nil where nothing is, or where that cannot be read.
func (all setbacks) view(ctx context.Context) *console.SetAside {
	list, err := all.setAside(ctx)
	if err != nil || len(list) == 0 {
		return nil
	}
	view := console.SetAside{Count: len(list)}
	for _, b := range list[:min(len(list), shownAside)] {
		view.Records = append(view.Records, console.AsideRecord{
			Record: recordPath(b), Queue: b.Queue, Reason: b.Reason, Tries: b.Count, Since: b.Since, Last: b.Last,
		})
	}
	return &view
}

// recordPath names a record in commands: TENANT/KIND/ID.
func recordPath(b queue.Setback) string { return b.Tenant + "/" + b.Kind + "/" + b.ID }

// putBack lets a record that is set aside be handled again.
//
// Invalid; NotFound: it is not set aside.
func (all setbacks) putBack(ctx context.Context, path string, now time.Time) error {
	parts := strings.SplitN(path, "/", 3)
	if len(parts) != 3 {
		return fault.InvalidParam("record", "invalid_record", "a record is named TENANT/KIND/ID, as `patchbay storage status` shows it")
	}
	name := queue.Setback{Tenant: parts[0], Kind: parts[1], ID: parts[2]}.Name()
	for i, one := range all {
		if _, err := one.PutBack(ctx, name, now); !fault.Is(err, fault.NotFound) || i == len(all)-1 {
			return err
		}
	}
	return nil
}

// show puts how many are set aside into the metrics.
func (all setbacks) show(s surroundings) {
	s.metrics.SetAside(func() (int, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		list, err := all.setAside(ctx)
		return len(list), err
	})
}

// PutBack lets a record that is set aside be handled again, while no gateway runs.
func PutBack(ctx context.Context, c *config.Config, path string) error {
	return alone(ctx, c, func(store Storage, f fallback, s surroundings) error {
		return setbacksOf(store, f).putBack(ctx, path, s.clock.Now())
	})
}
