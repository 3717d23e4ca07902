package logging

import (
	"log/slog"

	"patchbay/core/fault"
)

// objects are the attributes that name what a line is about. A line without any of them adds
// nothing to the outage's own lines.
var objects = map[string]bool{"payment": true, "email": true, "webhook": true, "user": true, "record": true, "intent": true}

// folds reports whether an outage caused a line, and the line is to be folded.
func (o *Outages) folds(r *slog.Record) bool {
	if o.open.Load() == 0 || r.Level < slog.LevelInfo {
		return false
	}
	var failure error
	var provider string
	var object bool
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			failure = err
		}
		if a.Key == "provider" {
			provider = a.Value.String()
		}
		object = object || objects[a.Key]
		return true
	})
	o.mu.RLock()
	defer o.mu.RUnlock()
	if failure == nil {
		one := o.all[provider]
		return one != nil && object && one.fold(r.Message, shown)
	}
	if fault.From(failure).Provider == "" && brought(fault.KindOf(failure)) && object && o.all[provider] != nil {
		return o.all[provider].fold(r.Message, shown)
	}
	unfolded := 0
	if object {
		unfolded = shown
	}
	for f := range faults(failure) {
		one := o.all[f.Provider]
		if one != nil && brought(f.Kind) {
			return one.fold(r.Message, unfolded)
		}
	}
	return false
}

// brought reports whether an outage can cause this kind of failure. A declined card, for
// example, is not caused by one.
func brought(k fault.Kind) bool {
	return k.Rule().Trips || k == fault.Canceled || k == fault.Overloaded
}

// fold counts a line with this text, and reports whether more than shown of them have been
// counted.
func (o *Outage) fold(words string, shown int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.folded == nil {
		return false
	}
	if o.folded[words]++; o.folded[words] <= shown {
		return false
	}
	o.now.folded++
	return true
}
