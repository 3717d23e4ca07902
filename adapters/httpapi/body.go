package httpapi

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/semaphore"
)

// raw reads the body unchanged, up to the route's limit. It is read from the connection
// only now, and within the budget, so that a client cannot make the server hold more.
func (r *request) raw() ([]byte, error) {
	if r.Get(fiber.HeaderContentEncoding) != "" {
		// A small compressed body can inflate to a gigabyte.
		return nil, refuse(fiber.StatusUnsupportedMediaType, "encoding_unsupported", "send the body without Content-Encoding")
	}
	declared := r.Request().Header.ContentLength()
	if declared > r.route.limit {
		return nil, r.tooLarge()
	}
	stream := r.Context().RequestBodyStream()
	if stream == nil {
		return bytes.Clone(r.Request().Body()), nil // fiber reuses it
	}
	began := time.Now()
	body, err := r.read(stream, declared)
	r.extend(time.Since(began))
	if err == nil && len(body) > r.route.limit {
		err = r.tooLarge()
	}
	return body, err
}

const codeNoMemory = "bodies_in_flight"

// read reads a body into memory that was reserved before. declared is its length, or
// negative if unknown: then the buffer doubles as data arrives, up to one byte beyond the
// limit.
func (r *request) read(stream io.Reader, declared int) ([]byte, error) {
	size := declared
	if declared < 0 {
		size = smallBody
	}
	if size > smallBody {
		if err := r.reserve(size); err != nil {
			return nil, err
		}
	}
	body := make([]byte, 0, size)
	for len(body) != declared {
		if len(body) == cap(body) {
			more := min(cap(body), r.route.limit+1-cap(body))
			if more == 0 {
				break
			}
			if err := r.reserve(more); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, cap(body)+more), body...)
		}
		n, err := stream.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF && (declared < 0 || len(body) == declared) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return body, nil
}

// reserve reserves memory for the body until the request ends.
func (r *request) reserve(n int) error {
	release, err := r.take(n)
	if err == nil {
		r.reserved = append(r.reserved, release)
	}
	return err
}

// take reserves memory until release is called.
func (r *request) take(n int) (release func(), err error) {
	release, ok := r.server.bodies.reserve(r.ctx, r.owner(), int64(n))
	if !ok {
		r.Set(fiber.HeaderRetryAfter, bodyRetry)
		return nil, refuse(fiber.StatusServiceUnavailable, codeNoMemory,
			"too many large requests are being read; nothing was done")
	}
	return release, nil
}

// owner returns the caller that the body is counted for.
func (r *request) owner() bodyOwner {
	if r.caller.Tenant == "" {
		return bodyOwner{name: r.server.client(r.Context()).String()}
	}
	return bodyOwner{known: true, name: r.caller.Tenant}
}

func (r *request) tooLarge() error {
	return refuse(fiber.StatusRequestEntityTooLarge, "body_too_large",
		"the body may have at most "+strconv.Itoa(r.route.limit)+" bytes")
}

const (
	// DefaultBodyBytes bounds the bodies in memory at once: two of the largest emails, or
	// hundreds of other requests.
	DefaultBodyBytes = 2*mailLimit + 4<<20
	// smallBody is the largest body that is not counted: the number of connections bounds
	// those. A payment never waits because emails take all the memory.
	smallBody = 16 << 10
	// bodyWait is how long a request waits for memory before it is answered with 503.
	// It holds no memory while it waits.
	bodyWait = 2 * time.Second
	// bodyRetry is the Retry-After of such an answer, in seconds.
	bodyRetry = "2"
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

	size    int64
	maxWait time.Duration
	mu      sync.Mutex
	callers map[bodyOwner]*callerShare
}

// bodyOwner identifies the caller that a body is counted for.
type bodyOwner struct {
	known bool
	name  string // a tenant, or the address of an unknown caller
}

// callerShare is the share of one caller. It exists while requests of the caller hold
// memory or wait for it.
type callerShare struct {
	*semaphore.Weighted
	requests int
}

func newBodyBudget(size int64) *bodyBudget {
	return &bodyBudget{
		size: size, maxWait: bodyWait, callers: map[bodyOwner]*callerShare{},
		total: semaphore.NewWeighted(size), unknown: semaphore.NewWeighted(size / 4),
	}
}

// reserve waits until a caller may have n bytes, and returns a function that releases them.
// ok is false if the wait takes too long.
func (b *bodyBudget) reserve(ctx context.Context, owner bodyOwner, n int64) (release func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, b.maxWait)
	defer cancel()
	own, leave := b.share(owner)
	shares := []*semaphore.Weighted{own, b.total}
	if !owner.known {
		shares = []*semaphore.Weighted{own, b.unknown, b.total}
	}
	var acquired []*semaphore.Weighted
	release = func() {
		for _, s := range acquired {
			s.Release(n)
		}
		leave()
	}
	for _, s := range shares { // the narrowest first: a caller that waits for its own share blocks no other
		if s.Acquire(ctx, n) != nil {
			release()
			return nil, false
		}
		acquired = append(acquired, s)
	}
	return release, true
}

// share returns the share of a caller. It exists until leave is called.
func (b *bodyBudget) share(owner bodyOwner) (s *semaphore.Weighted, leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	share := b.callers[owner]
	if share == nil {
		size := b.size / 2
		if !owner.known {
			size = b.size / 8
		}
		share = &callerShare{Weighted: semaphore.NewWeighted(size)}
		b.callers[owner] = share
	}
	share.requests++
	return share.Weighted, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if share.requests--; share.requests == 0 {
			delete(b.callers, owner)
		}
	}
}
