package explore

import (
	"slices"
	"time"
)

// hasher computes FNV-1a. A random name of a simulator is replaced by its number in the order of
// first occurrence.
type hasher struct {
	sum    uint64
	random map[string]uint64
}

func newHasher() *hasher { return &hasher{sum: 14695981039346656037, random: map[string]uint64{}} }

func (h *hasher) number(n uint64) {
	for range 8 {
		h.sum = (h.sum ^ n&0xff) * 1099511628211
		n >>= 8
	}
}

func (h *hasher) text(s string) {
	for i := range len(s) {
		h.sum = (h.sum ^ uint64(s[i])) * 1099511628211
	}
	h.sum = (h.sum ^ 0xff) * 1099511628211
}

// drawn is the length of a random name, which is in base32.
const drawn = 26

func base32(c byte) bool { return 'A' <= c && c <= 'Z' || '2' <= c && c <= '7' }

// body hashes a text that may contain random names, each after an underscore.
func (h *hasher) body(b []byte) {
	for i := 0; i < len(b); i++ {
		h.sum = (h.sum ^ uint64(b[i])) * 1099511628211
		if b[i] != '_' || i+drawn >= len(b) || !base32(b[i+1]) {
			continue
		}
		n := 1
		for n <= drawn && base32(b[i+n]) {
			n++
		}
		if n > drawn {
			h.name(b[i+1 : i+1+drawn])
			i += drawn
		}
	}
	h.sum = (h.sum ^ 0xff) * 1099511628211
}

func (h *hasher) name(b []byte) {
	n, ok := h.random[string(b)]
	if !ok {
		n = uint64(len(h.random)) + 1
		h.random[string(b)] = n
	}
	h.number(n)
}

// hashes computes the hashes of the journal and of the providers' books.
func (w *world) hashes() {
	h := newHasher()
	for _, r := range w.records() {
		h.text(r.ID)
		h.number(uint64(r.Rev))
		h.text(r.Queue)
		h.text(r.Owner)
		if w.domain.exact() {
			h.number(uint64(r.Due.UnixMicro()))
		}
		w.domain.record(h, r)
	}
	w.journalHash = h.sum
	h.sum = 14695981039346656037
	w.domain.book(h)
	w.bookHash = h.sum
	w.journalNew, w.bookNew = false, false
}

// state returns a hash of everything that determines the rest of the history: the content of the
// journal and of the books, where each thread stands, and what each has seen so far, which
// determines its own state.
func (w *world) state() uint64 {
	h := hasher{sum: w.journalHash}
	h.number(w.bookHash)
	h.number(w.moment())
	h.number(uint64(w.acted))
	for _, p := range w.processes {
		h.text(p.name)
		h.number(uint64(p.offset))
		h.number(uint64(p.frozen.UnixNano()))
	}
	for i, answer := range w.answers {
		h.number(uint64(i))
		h.text(answer)
	}
	for _, n := range w.deliveries {
		h.number(uint64(n))
	}
	h.number(w.backupHash)
	threads := make([]uint64, 0, 8)
	for _, t := range w.threads {
		one := hasher{sum: t.seen}
		one.text(t.name)
		for _, s := range t.stops {
			one.text(s.call.op)
			one.text(s.call.about)
		}
		if t.always != nil {
			one.text(t.always.name)
		}
		if t == w.current {
			one.number(1)
		}
		threads = append(threads, one.sum)
	}
	slices.Sort(threads)
	for _, t := range threads {
		h.number(t)
	}
	return h.sum
}

// moment returns the time or, if times differ between runs, how often time has passed.
func (w *world) moment() uint64 {
	if w.domain.exact() {
		return uint64(time.Now().UnixNano())
	}
	return uint64(w.passed)
}
