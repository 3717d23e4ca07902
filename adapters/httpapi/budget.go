package httpapi

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// DefaultBodyBytes bounds the bodies that are in memory at once: two of the
	// largest mails, or hundreds of anything else.
	DefaultBodyBytes = 2*mailLimit + 4<<20
	// smallBody is the largest body that is not counted: the number of connections
	// bounds those. A payment never waits because mail takes all the memory.
	smallBody = 16 << 10
	// bodyPatience is how long a request waits for memory before it is answered 503.
	// It holds none while it waits.
	bodyPatience = 2 * time.Second
	// bodyRetry is when such a caller should come again.
	bodyRetry = 2 * time.Second
)

// bodyBudget bounds the bytes of request bodies that are being read and worked on.
//
// A body counts with its declared length from before its first byte is read until its
// request is answered. Counting only what has come so far would admit more at a time,
// but then several that are half read could fill the memory and none of them be ended;
// so whoever is let in gets through, and a refusal comes before the client has sent
// 30 MB. A slow client that declares much and sends little is bounded by the minimum
// rate of bodies and by the shares: no caller has more than half of all, and the
// callers without an API key, who may be anybody, have a quarter together.
type bodyBudget struct {
	total   *semaphore.Weighted
	unknown *semaphore.Weighted // of callers without a key, together

	size     int64
	patience time.Duration
	mu       sync.Mutex
	callers  map[caller]*callerShare
}

// caller is who a body is counted for.
type caller struct {
	known bool
	name  string // a tenant, or the address of one that is not known
}

// callerShare is what one caller may have. It exists while the caller has, or waits
// for, anything.
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

// reserve waits until a caller may have n bytes, and returns how to give them back.
// It is not ok where that takes too long.
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
	for _, s := range shares { // the narrowest first: who waits for its own share is in nobody's way
		if s.Acquire(ctx, n) != nil {
			release()
			return nil, false
		}
		held = append(held, s)
	}
	return release, true
}

// share is that of a caller, until leave is called.
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
