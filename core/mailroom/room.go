package mailroom

import (
	"context"
	"time"

	"patchbay/core/message"
)

const (
	// sendingMB is how many megabytes of text and files may be sent at one provider at
	// once: one of the largest mails, or many of any other size. What writes a mail has
	// it in memory several times.
	sendingMB = 24
	// roomPatience is how long a message waits for them in its place, and how long it
	// stays away then.
	roomPatience = 5 * time.Second
)

// room bounds the memory that messages take while they are sent at one provider. Those
// of less than half a megabyte need none.
type room struct {
	turn chan struct{} // held by who is taking: two that have half each would wait for ever
	free chan struct{} // one for each megabyte that is taken
}

func newRoom() room {
	return room{turn: make(chan struct{}, 1), free: make(chan struct{}, sendingMB)}
}

// take waits until there is room for a message. It is not ok where that takes too long.
func (r room) take(ctx context.Context, m *message.Message) (leave func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, roomPatience)
	defer cancel()
	megabytes := min((size(m)+1<<19)>>20, sendingMB)
	leave = func() { r.give(megabytes) }
	if megabytes == 0 || r.free == nil { // no such provider: the message only passes
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

// size is how many bytes a message has to say, its files among them.
func size(m *message.Message) int {
	n := len(m.HTML) + len(m.Text)
	for _, a := range m.Attachments {
		n += max(a.Size, len(a.Content))
	}
	return n
}
