package explore

import (
	"context"
	"sync"
)

// A gate is where threads stop: at each call of the journal and of a provider. Who
// stops goes on when it is released, with the fate that was chosen for its call.
type gate struct {
	mu      sync.Mutex
	arrived []*stop // since the last look
	all     []*stop // not released yet
	closed  bool
	bell    chan struct{} // rings when somebody arrives or ends
}

func newGate() *gate { return &gate{bell: make(chan struct{}, 1)} }

// stop is a thread at a call.
type stop struct {
	ctx    context.Context //nolint:containedctx // the call's, which may end meanwhile
	thread *thread
	call   call
	resume chan *fate
}

// call is what a thread is about to do.
type call struct {
	op     string  // "save", "POST /v1/payment_intents"
	about  string  // the record or the object
	always []*fate // those of fates that may befall all that the thread asks from now on
	wire   bool    // a provider's, not the journal's
	writes bool    // it changes something
	fates  []*fate // what may become of it, what happens by default first
	late   []*fate // the same where its context has ended meanwhile; nil: as ever
	tell   func() string
}

// fate is what becomes of a call.
type fate struct {
	name   string
	does   bool // it has its effect
	lost   bool // its answer is lost
	silent bool // nothing was even sent
	kept   bool // it is done, answered 500, and so for ever under its key
	status int  // what is answered in place of what was done; 0: that, or nothing
	header map[string]string
	body   string
}

// stop waits until the call is chosen to go on. It is nil where the history is over:
// the call must fail, and not be made again.
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

// quiet forgets a ring that nobody waited for.
func (g *gate) quiet() {
	select {
	case <-g.bell:
	default:
	}
}

// news returns who arrived since it was last asked.
func (g *gate) news() []*stop {
	g.mu.Lock()
	defer g.mu.Unlock()
	arrived := g.arrived
	g.arrived = nil
	return arrived
}

// release lets a call go on.
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

// close ends the history: every call fails from now on.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, s := range g.all {
		close(s.resume)
	}
	g.all = nil
}

// thread is one thing under way in a process: what a caller asked, what the worker
// took from its queue, an event that came.
type thread struct {
	name   string
	at     *process
	act    int // of the script, -1 for any other
	seen   uint64
	stops  []*stop
	always *fate  // what becomes of its requests from now on; nil: as ever
	answer string // what the caller got, once ended
	ended  bool
	stop   context.CancelFunc // of a worker's run
	claims bool               // it has not been at its queue yet
}

type threadKey struct{}

func (t *thread) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, threadKey{}, t)
}

// thread is the one that a context belongs to. What a process does for several of them
// is a thread of its own.
func (p *process) thread(ctx context.Context) *thread {
	if t, ok := ctx.Value(threadKey{}).(*thread); ok {
		return t
	}
	return p.common
}
