package emails

import (
	"context"
	"time"

	"patchbay/core/email"
)

const (
	// sendingMB is how many megabytes of text and files may be sent at the same time through one
	// provider: one of the largest mails, or several smaller ones. Encoding a mail takes several
	// times its size in memory.
	sendingMB = 24
	// memoryWait is how long a message waits for memory while it holds its place, and how long it
	// is postponed if it gets none.
	memoryWait = 5 * time.Second
)

// memory limits the memory of the messages being sent through one provider. Messages of less than
// half a megabyte are not counted.
type memory struct {
	turn chan struct{} // held while acquiring, so that two messages cannot deadlock with half of their memory each
	used chan struct{} // one token per megabyte in use
}

func newMemory() memory {
	return memory{turn: make(chan struct{}, 1), used: make(chan struct{}, sendingMB)}
}

// acquire waits until there is memory for a message. ok is false if that takes longer than
// memoryWait.
func (r memory) acquire(ctx context.Context, m *email.Message) (release func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, memoryWait)
	defer cancel()
	megabytes := min((size(m)+1<<19)>>20, sendingMB)
	release = func() { r.release(megabytes) }
	if megabytes == 0 || r.used == nil { // no such provider: the message is only passed on
		return func() {}, true
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, false
	}
	for n := range megabytes {
		select {
		case r.used <- struct{}{}:
		case <-ctx.Done():
			r.release(n)
			return nil, false
		}
	}
	return release, true
}

func (r memory) release(megabytes int) {
	for range megabytes {
		<-r.used
	}
}

// size returns the number of bytes of a message's text and files, about that of all its copies.
func size(m *email.Message) int {
	n := len(m.HTML) + len(m.Text) + m.AttachmentBytes()
	if m.Source != nil {
		n += len(m.Personalizations) * (len(m.Source.HTML) + len(m.Source.Text))
	}
	return n
}
