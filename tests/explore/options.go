package explore

import (
	"context"
	"fmt"
	"time"
)

// option is one possible next step of a history.
type option struct {
	id    uint32 // the same each time the same history gets here
	label func() string
	take  func()
}

// Kinds of options, for their ids.
const (
	kindGoOn = iota + 1
	kindWorker
	kindAct
	kindWait
	kindFreeze
	kindThaw
	kindCrash
	kindClock
	kindEvent
)

func identity(kind, a, b, c int) uint32 {
	return uint32(kind&0xf)<<28 | uint32(a&0xff)<<20 | uint32(b&0xfff)<<8 | uint32(c&0xff)
}

// options returns the possible next steps, the default first. It returns none at the end of the
// history.
func (w *world) options() []option {
	stops := w.runnable()
	all := w.usual(stops)
	if w.ending || len(all) == 0 {
		return all
	}
	if len(stops) > 0 {
		all = w.fates(all, stops[0])
		for _, s := range stops[1:] {
			all = append(all, w.goesOn(s, s.fates()[0], 0))
		}
		all = w.early(all)
	}
	return w.disturb(all, stops)
}

// usual returns the default step. If no thread is stopped, it also returns the alternatives that
// are not disturbances.
func (w *world) usual(stops []*stop) (all []option) {
	if len(stops) > 0 {
		return append(all, w.goesOn(stops[0], stops[0].fates()[0], 0))
	}
	if w.due() == 0 {
		for _, p := range w.idle() {
			all = append(all, w.workerOption(p))
		}
	}
	if w.last == nil || w.last.ended || !w.live(w.last.at) || !w.last.at.frozen.IsZero() {
		if w.acted < len(w.scenario.Acts) && !w.ending {
			all = append(all, w.acts())
		}
	}
	if len(all) > 0 {
		return all
	}
	if w.sleeping() {
		return append(all, w.waits(time.Minute, false, "until something happens"))
	}
	for _, p := range w.processes {
		if !p.frozen.IsZero() {
			all = append(all, w.thaws(p))
		}
	}
	if due := w.due(); len(all) == 0 && due > 0 && due <= 15*time.Second {
		all = append(all, w.waits(due, false, "until the next is due"))
	}
	return all
}

// sleeping reports whether a thread waits for time to pass.
func (w *world) sleeping() bool {
	for _, t := range w.threads {
		if w.live(t.at) && t.at.frozen.IsZero() && !t.ended && len(t.stops) == 0 {
			return true
		}
	}
	return false
}

// fates adds the other possible fates of a call.
func (w *world) fates(all []option, s *stop) []option {
	fates := s.fates()
	for i, f := range fates[1:] {
		all = append(all, w.goesOn(s, f, i+1))
	}
	if s.thread.always == nil && s.ctx.Err() == nil {
		for i, f := range s.call.always {
			one := w.goesOn(s, f, len(fates)+i)
			label, take := one.label, one.take
			one.label = func() string { return label() + ", and so all that it asks from now on" }
			one.take = func() { s.thread.always = f; take() }
			all = append(all, one)
		}
	}
	return all
}

// early adds the steps that can happen while a thread is stopped.
func (w *world) early(all []option) []option {
	if w.due() == 0 {
		for _, p := range w.idle() {
			all = append(all, w.workerOption(p))
		}
	}
	if w.acted < len(w.scenario.Acts) {
		all = append(all, w.acts())
	}
	return all
}

// disturb adds the disturbances: slow responses, stalls, crashes, clock steps and events.
func (w *world) disturb(all []option, stops []*stop) []option {
	s := w.scenario
	var at *process
	if len(stops) > 0 {
		at = stops[0].thread.at
		if s.Slow && stops[0].call.wire && stops[0].call.writes {
			all = append(all, w.waits(9*time.Second, true, "while the answer is awaited"))
		}
	} else if due := w.due(); due > 0 && due <= time.Hour && w.acted < len(s.Acts) {
		all = append(all, w.waits(due, true, "until the next is due"))
	}
	if at != nil && s.Stalls && w.others(at) {
		all = append(all, option{identity(kindFreeze, at.slot, 0, 0), func() string {
			return fmt.Sprintf("%s stands still; %s pass", at.name, stall)
		}, func() {
			at.frozen = time.Now()
			w.pass(stall, true)
		}})
	}
	if at != nil && s.Crashes > w.crashes {
		all = append(all, option{identity(kindCrash, at.slot, 0, 0), func() string { return at.name + " is killed, and another started" }, func() { w.kill(at) }})
	}
	for _, p := range w.processes {
		if !p.frozen.IsZero() && len(stops) > 0 {
			all = append(all, w.thaws(p))
		}
		for i, by := range s.Clocks {
			if !w.stepped {
				all = append(all, w.steps(p, i, by))
			}
		}
	}
	if s.Events {
		all = w.addDeliveries(all)
	}
	return all
}

// others reports whether another process is running.
func (w *world) others(p *process) bool {
	for _, other := range w.processes {
		if other != p && other.frozen.IsZero() {
			return true
		}
	}
	return false
}

// fates returns the fates that are possible for the call now.
func (s *stop) fates() []*fate {
	switch always := s.thread.always; {
	case s.call.late != nil && s.ctx.Err() != nil:
		return s.call.late
	case s.thread.at.world.ending:
		return sure
	case always == nil || !s.call.wire:
		return s.call.fates
	case always.does && !s.call.writes:
		return []*fate{lookLost, delivered}
	default:
		return []*fate{always, delivered}
	}
}

func (w *world) goesOn(s *stop, f *fate, n int) option {
	return option{identity(kindGoOn, s.thread.act+1, len(s.call.op), n), func() string {
		text := s.thread.name + ": " + s.call.op + " " + s.call.about
		if s.call.summary != nil {
			text += " " + s.call.summary()
		}
		return text + " → " + f.name
	}, func() { w.release(s, f) }}
}

func (w *world) workerOption(p *process) option {
	return option{identity(kindWorker, p.slot, 0, 0), func() string { return p.name + "'s worker polls its queue" }, func() { w.work(p) }}
}

func (w *world) waits(d time.Duration, whole bool, why string) option {
	return option{identity(kindWait, len(why), 0, 0), func() string { return fmt.Sprintf("time passes, %s (at most %s)", why, d) }, func() { w.pass(d, whole) }}
}

func (w *world) thaws(p *process) option {
	return option{identity(kindThaw, p.slot, 0, 0), func() string { return p.name + " goes on" }, func() { p.frozen = time.Time{} }}
}

func (w *world) steps(p *process, i int, by time.Duration) option {
	return option{identity(kindClock, p.slot, i, 0), func() string { return fmt.Sprintf("%s's clock steps by %s", p.name, by) }, func() {
		p.offset += by
		w.stepped = true
	}}
}

// acts begins the next act of the script.
func (w *world) acts() option {
	n := w.acted
	act := w.scenario.Acts[n]
	p := w.processes[act.At]
	if !p.frozen.IsZero() { // the request is routed to a running process
		for _, other := range w.processes {
			if other.frozen.IsZero() {
				p = other
			}
		}
	}
	return option{identity(kindAct, n, 0, 0), func() string { return act.Name + " comes to " + p.name }, func() {
		w.acted++
		w.perform(p, act, n)
	}}
}

// addDeliveries adds the events that can be delivered now: the next one, and the last one again.
func (w *world) addDeliveries(all []option) []option {
	n := w.domain.events()
	for i := range n {
		if i >= len(w.deliveries) || w.deliveries[i] == 0 {
			all = append(all, w.delivers(i))
			if i > 0 && w.deliveries[i-1] == 1 {
				all = append(all, w.delivers(i-1))
			}
			return all
		}
	}
	if n > 0 && w.deliveries[n-1] == 1 {
		all = append(all, w.delivers(n-1))
	}
	return all
}

func (w *world) delivers(i int) option {
	p := w.processes[len(w.processes)-1]
	if !p.frozen.IsZero() {
		p = w.processes[0]
	}
	return option{identity(kindEvent, i, 0, 0), func() string { return fmt.Sprintf("event %d comes to %s", i+1, p.name) }, func() {
		for len(w.deliveries) <= i {
			w.deliveries = append(w.deliveries, 0)
		}
		w.deliveries[i]++
		w.start(p, fmt.Sprintf("%s event %d", p.name, i+1), -1, func(ctx context.Context) string {
			w.domain.deliver(ctx, p, i)
			return ""
		})
	}}
}
