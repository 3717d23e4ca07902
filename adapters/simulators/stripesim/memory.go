package stripesim

import (
	"context"
	"slices"
	"sync"
	"time"

	"patchbay/core/fault"
)

// Book keeps the records of an account. A record that it returns belongs to the caller. Its errors
// have a Kind: Unavailable proves that nothing was written.
type Book interface {
	// Get reads the record of an intent. NotFound.
	Get(ctx context.Context, id string) (*Record, error)
	// ByKey reads the record in which the response to a key is saved. A Book may find it only if the
	// key is that of the create. NotFound.
	ByKey(ctx context.Context, key string) (*Record, error)
	// List reads up to n records, newest first, that were made before that of an intent, or the
	// newest if after is empty; only those of a customer, if one is given. It returns fewer only at
	// the end. NotFound: there is no such intent.
	List(ctx context.Context, after, customer string, n int) ([]*Record, error)
	// Save stores a record, and takes over the delivery of the events in its Outbox. Conflict: the
	// record has changed since it was read, or its key is taken.
	Save(ctx context.Context, r *Record) error
	// Once reports whether it is the first call for a key.
	Once(ctx context.Context, key string) (first bool, err error)
}

// memory is a Book in memory. It keeps the events that it took over.
type memory struct {
	now    func() time.Time
	render func(*Record, *Pending) Event

	mu      sync.Mutex
	order   []string           // the ids, oldest first
	byID    map[string]*Record // never changed in place
	byKey   map[string]string  // the id
	onces   map[string]bool
	events  []Event
	changed chan struct{} // closed at each event
}

var _ Book = (*memory)(nil)

func newMemory() *memory {
	return &memory{byID: map[string]*Record{}, byKey: map[string]string{}, onces: map[string]bool{}, changed: make(chan struct{})}
}

var errAbsent = fault.New(fault.NotFound, "", "there is no such record")

// Get implements Book.
func (m *memory) Get(_ context.Context, id string) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.read(id)
}

func (m *memory) read(id string) (*Record, error) {
	r := m.byID[id]
	if r == nil {
		return nil, errAbsent
	}
	c := r.clone()
	c.Handle = r
	return c, nil
}

// ByKey implements Book. It finds every key.
func (m *memory) ByKey(_ context.Context, key string) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.read(m.byKey[key])
}

// List implements Book.
func (m *memory) List(_ context.Context, after, customer string, n int) (page []*Record, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := len(m.order)
	if after != "" {
		if from = slices.Index(m.order, after); from < 0 {
			return nil, errAbsent
		}
	}
	for i := from - 1; i >= 0 && len(page) < n; i-- {
		r, err := m.read(m.order[i])
		if err != nil {
			return nil, err
		}
		if customer == "" || r.Intent.Customer == customer {
			page = append(page, r)
		}
	}
	return page, nil
}

// Save implements Book. A key that was forgotten belongs to the record that was saved last.
func (m *memory) Save(_ context.Context, r *Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := r.Intent.ID
	before, known := m.byID[id]
	if read, _ := r.Handle.(*Record); known && read != before {
		return fault.New(fault.Conflict, "", "the record has changed")
	}
	if !known {
		m.order = append(m.order, id)
	}
	stored := r.clone()
	stored.Outbox = nil
	m.byID[id] = stored
	if n := len(r.Saved); n > 0 {
		m.byKey[r.Saved[n-1].Key] = id
	}
	for n := range r.Outbox {
		m.take(m.render(r, &r.Outbox[n]), r.Outbox[n].Due.Sub(m.now()))
	}
	r.Outbox, r.Handle = nil, stored
	return nil
}

// take keeps an event, or takes it later.
func (m *memory) take(e Event, in time.Duration) {
	if in > time.Second {
		time.AfterFunc(in, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.take(e, 0)
		})
		return
	}
	m.events = append(m.events, e)
	close(m.changed)
	m.changed = make(chan struct{})
}

// Once implements Book.
func (m *memory) Once(_ context.Context, key string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := !m.onces[key]
	m.onces[key] = true
	return first, nil
}

// forget removes a key.
func (m *memory) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.byID[m.byKey[key]]
	delete(m.byKey, key)
	if r != nil {
		c := r.clone()
		c.Saved = slices.DeleteFunc(c.Saved, func(s Saved) bool { return s.Key == key })
		m.byID[c.Intent.ID] = c
	}
}

// eventsSoFar returns the events so far, and a channel that is closed at the next one.
func (m *memory) eventsSoFar() ([]Event, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events[:len(m.events):len(m.events)], m.changed
}
