package app

import (
	"context"
	"strings"
	"time"

	"patchbay/adapters/adminapi"
	"patchbay/core/fault"
	"patchbay/core/worker"
)

// setbacks are the setbacks of the store and, if there is one, of the spool.
type setbacks []worker.Setbacks

func setbacksOf(store Storage, f fallback) setbacks {
	all := setbacks{{Journal: store.Journal}}
	if f.local != nil {
		all = append(all, worker.Setbacks{Journal: f.local})
	}
	return all
}

func (all setbacks) setAside(ctx context.Context) (list []worker.Setback, err error) {
	for _, one := range all {
		found, err := one.SetAside(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// maxListedAside is the largest number of set-aside records that are listed.
const maxListedAside = 100

// view describes the records that are set aside. It returns nil if there are none, or if
// they cannot be read.
func (all setbacks) view(ctx context.Context) *adminapi.SetAside {
	list, err := all.setAside(ctx)
	if err != nil || len(list) == 0 {
		return nil
	}
	view := adminapi.SetAside{Count: len(list)}
	for _, b := range list[:min(len(list), maxListedAside)] {
		view.Records = append(view.Records, adminapi.AsideRecord{
			Record: recordPath(b), Queue: b.Queue, Reason: b.Reason, Tries: b.Count, Since: b.Since, Last: b.Last,
		})
	}
	return &view
}

// recordPath returns the name of a record in commands: TENANT/KIND/ID.
func recordPath(b worker.Setback) string { return b.Tenant + "/" + b.Kind + "/" + b.ID }

// putBack makes a record that is set aside available for handling again.
//
// Invalid: path is malformed; NotFound: the record is not set aside.
func (all setbacks) putBack(ctx context.Context, path string, now time.Time) error {
	parts := strings.SplitN(path, "/", 3)
	if len(parts) != 3 {
		return fault.InvalidParam("record", "invalid_record", "a record is named TENANT/KIND/ID, as `patchbay storage status` shows it")
	}
	name := worker.Setback{Tenant: parts[0], Kind: parts[1], ID: parts[2]}.Name()
	for i, one := range all {
		if _, err := one.PutBack(ctx, name, now); !fault.Is(err, fault.NotFound) || i == len(all)-1 {
			return err
		}
	}
	return nil
}

// show adds the number of set-aside records to the metrics.
func (all setbacks) show(s environment) {
	s.metrics.SetAside(func() (int, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		list, err := all.setAside(ctx)
		return len(list), err
	})
}
