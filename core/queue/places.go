package queue

import "sync"

// places are what a worker has for claims that are handled, and who holds them.
type places struct {
	fair  bool
	freed chan struct{} // told when there is room for one for whom there was none

	mu   sync.Mutex
	free int
	held map[string]int // by tenant, where fair
}

func newPlaces(n int, fair bool) *places {
	return &places{fair: fair, freed: make(chan struct{}, 1), free: n, held: map[string]int{}}
}

// room tells how many claims may be taken, whoever they are of, and which tenants
// have their share. So many may all be of one tenant: it holds no more than are free
// when it takes the last of them.
func (p *places) room() (n int, full []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.look()
}

func (p *places) look() (n int, full []string) {
	if !p.fair {
		return p.free, nil
	}
	most := 0 // of those who may have more
	for tenant, held := range p.held {
		if held >= p.free {
			full = append(full, tenant)
		} else {
			most = max(most, held)
		}
	}
	return (p.free - most + 1) / 2, full
}

func (p *places) take(tenant string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free--
	if p.fair {
		p.held[tenant]++
	}
}

func (p *places) put(tenant string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, full := p.look(); n == 0 || len(full) > 0 {
		select {
		case p.freed <- struct{}{}:
		default:
		}
	}
	p.free++
	if p.held[tenant]--; p.held[tenant] <= 0 {
		delete(p.held, tenant)
	}
}
