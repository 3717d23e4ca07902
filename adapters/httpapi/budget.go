package httpapi

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// DefaultBodyBytes bounds the bodies in memory at once: two of the largest emails, or
	// hundreds of other requests.
	DefaultBodyBytes = 2*mailLimit + 4<<20
	// smallBody is the largest body that is not counted: the number of connections bounds
	// those. A payment never waits because emails take all the memory.
	smallBody = 16 << 10
	// bodyPatience is how long a request waits for memory before it is answered with 503.
	// It holds no memory while it waits.
	bodyPatience = 2 * time.Second
	// bodyRetry is the Retry-After of such an answer.
	bodyRetry = 2 * time.Second
)

// bodyBudget bounds the bytes of request bodies that are being read and processed.
//
// A body counts with its declared length from before its first byte is read until its
// request is answered. Counting only the bytes received so far would admit more requests at
// a time, but several half-read bodies could fill the memory so that none could complete.
// With the declared length an admitted request can always complete, and a refusal comes
// before the client has sent 30 MB. A slow client that declares much and sends little is
// bounded by the minimum rate of bodies and by the shares: no caller has more than half of
// the budget, and the callers without an API key share a quarter.
type bodyBudget struct {
	total   *semaphore.Weighted
	unknown *semaphore.Weighted // shared by all callers without a key

	size     int64
	patience time.Duration
	mu       sync.Mutex
	callers  map[caller]*callerShare
}

// caller identifies the caller that a body is counted for.
type caller struct {
	known bool
	name  string // a tenant, or the address of an unknown caller
}

// callerShare is the share of one caller. It exists while the caller holds memory or waits
// for it.
type callerShare struct {
	*semaphore.Weighted
	users int
}

func newBodyBudget(size int64) *bodyBudget {
	return &bodyBudget{
		size: size, patience: bodyPatience, callers: map[caller]*callerShare{},
		total: semaphore.NewWeighted(size), unknown: semaphore.NewWeighted(size / 4),
	}
}

// reserve waits until a caller may have n bytes, and returns a function that releases them.
// ok is false if the wait takes too long.
func (b *bodyBudget) reserve(ctx context.Context, c caller, n int64) (release func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, b.patience)
	defer cancel()
	own, leave := b.share(c)
	shares := []*semaphore.Weighted{own, b.total}
	if !c.known {
		shares = []*semaphore.Weighted{own, b.unknown, b.total}
	}
	var held []*semaphore.Weighted
	release = func() {
		for _, s := range held {
			s.Release(n)
		}
		leave()
	}
	for _, s := range shares { // the narrowest first: a caller that waits for its own share blocks no other
		if s.Acquire(ctx, n) != nil {
			release()
			return nil, false
		}
		held = append(held, s)
	}
	return release, true
}

// share returns the share of a caller. It exists until leave is called.
func (b *bodyBudget) share(c caller) (s *semaphore.Weighted, leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	share := b.callers[c]
	if share == nil {
		size := b.size / 2
		if !c.known {
			size = b.size / 8
		}
		share = &callerShare{Weighted: semaphore.NewWeighted(size)}
		b.callers[c] = share
	}
	share.users++
	return share.Weighted, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if share.users--; share.users == 0 {
			delete(b.callers, c)
		}
	}
}
