package explore

import (
	"context"
	"sync"
)

// A gate stops threads at each call of the journal and of a provider. A stopped thread continues
// when it is released with the fate chosen for its call.
type gate struct {
	mu      sync.Mutex
	arrived []*stop // since the last call of newStops
	all     []*stop // not released yet
	closed  bool
	bell    chan struct{} // receives a value when a thread arrives or ends
}

func newGate() *gate { return &gate{bell: make(chan struct{}, 1)} }

// stop is a thread stopped at a call.
type stop struct {
	ctx    context.Context //nolint:containedctx // the call's, which may end meanwhile
	thread *thread
	call   call
	resume chan *fate
}

// call is a call that a thread is about to make.
type call struct {
	op      string  // "save", "POST /v1/payment_intents"
	about   string  // the id of the record or object
	always  []*fate // the fates that can also apply to all later requests of the thread
	wire    bool    // a call of a provider, not of the journal
	writes  bool    // the call can change something
	fates   []*fate // the possible fates; the first is the default
	late    []*fate // the possible fates once the call's context has ended; nil: the same as fates
	summary func() string
}

// fate is the result of a call.
type fate struct {
	name   string
	does   bool // the call has its effect
	lost   bool // its response is lost
	silent bool // the request was not even sent
	kept   bool // it is executed and answered 500, and the 500 is kept under its key
	status int  // the status of the response sent instead of the real one; 0: the real one or none
	header map[string]string
	body   string
}

// stop blocks until the call is released, and returns its fate. It returns nil if the history is
// over: the call must then fail and not be repeated.
func (g *gate) stop(ctx context.Context, t *thread, c call) *fate {
	s := &stop{ctx: ctx, thread: t, call: c, resume: make(chan *fate, 1)}
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	g.arrived = append(g.arrived, s)
	g.all = append(g.all, s)
	g.mu.Unlock()
	g.ring()
	return <-s.resume
}

func (g *gate) ring() {
	select {
	case g.bell <- struct{}{}:
	default:
	}
}

// quiet discards a pending value of the bell.
func (g *gate) quiet() {
	select {
	case <-g.bell:
	default:
	}
}

// newStops returns the stops that have arrived since its last call.
func (g *gate) newStops() []*stop {
	g.mu.Lock()
	defer g.mu.Unlock()
	arrived := g.arrived
	g.arrived = nil
	return arrived
}

// release lets a stopped call continue with a fate.
func (g *gate) release(s *stop, f *fate) {
	g.mu.Lock()
	for i, other := range g.all {
		if other == s {
			g.all[i] = g.all[len(g.all)-1]
			g.all = g.all[:len(g.all)-1]
			break
		}
	}
	g.mu.Unlock()
	s.resume <- f
}

// close ends the history: every call fails from then on.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, s := range g.all {
		close(s.resume)
	}
	g.all = nil
}

// thread is one activity of a process: a caller's request, a run of the worker, or the delivery of
// an event.
type thread struct {
	name   string
	at     *process
	act    int // the index in the scenario's acts, or -1
	seen   uint64
	stops  []*stop
	always *fate  // the fate of all its later requests; nil: none
	answer string // what the caller got, set when ended
	ended  bool
	stop   context.CancelFunc // cancels its context
	claims bool               // it is a worker's run that has not yet claimed
}

type threadKey struct{}

func (t *thread) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, threadKey{}, t)
}

// thread returns the thread of a context. What a process does for several threads belongs to the
// thread common.
func (p *process) thread(ctx context.Context) *thread {
	if t, ok := ctx.Value(threadKey{}).(*thread); ok {
		return t
	}
	return p.common
}
