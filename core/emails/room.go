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
	// roomPatience is how long a message waits for room while it holds its place, and how long it
	// is put off if it gets none.
	roomPatience = 5 * time.Second
)

// room limits the memory of the messages being sent through one provider. Messages of less than
// half a megabyte are not counted.
type room struct {
	turn chan struct{} // held while taking, so that two messages cannot deadlock with half of their room each
	free chan struct{} // one token per megabyte in use
}

func newRoom() room {
	return room{turn: make(chan struct{}, 1), free: make(chan struct{}, sendingMB)}
}

// take waits until there is room for a message. ok is false if that takes longer than
// roomPatience.
func (r room) take(ctx context.Context, m *email.Message) (leave func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, roomPatience)
	defer cancel()
	megabytes := min((size(m)+1<<19)>>20, sendingMB)
	leave = func() { r.give(megabytes) }
	if megabytes == 0 || r.free == nil { // no such provider: the message is only passed on
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
		case r.free <- struct{}{}:
		case <-ctx.Done():
			r.give(n)
			return nil, false
		}
	}
	return leave, true
}

func (r room) give(megabytes int) {
	for range megabytes {
		<-r.free
	}
}

// size returns the number of bytes of a message's text and files.
func size(m *email.Message) int {
	n := len(m.HTML) + len(m.Text)
	for _, a := range m.Attachments {
		n += max(a.Size, len(a.Content))
	}
	return n
}
