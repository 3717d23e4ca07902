package worker

import "sync"

// places are the slots of a worker for claims that are being handled, and who holds them.
type places struct {
	fair  bool
	freed chan struct{} // signaled when there is room again for a tenant that had none

	mu   sync.Mutex
	free int
	held map[string]int // by tenant, if fair
}

func newPlaces(n int, fair bool) *places {
	return &places{fair: fair, freed: make(chan struct{}, 1), free: n, held: map[string]int{}}
}

// room returns how many claims may be taken, of any tenant, and which tenants already have
// their share. All n claims may be of one tenant: when it takes the last of them, it holds no
// more places than are free.
func (p *places) room() (n int, full []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.look()
}

func (p *places) look() (n int, full []string) {
	if !p.fair {
		return p.free, nil
	}
	most := 0 // the most places held by a tenant that may have more
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
