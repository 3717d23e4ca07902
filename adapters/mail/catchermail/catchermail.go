// Package catchermail keeps mail as files instead of sending it, for trying
// things out. What it keeps is what a mail server would have been given.
package catchermail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

var _ ports.Mailer = (*Catcher)(nil)

// Options says where mail is kept.
type Options struct {
	Name string // the configured name
	Path string // of the directory, which is made if it is not there
	Keep int    // newest messages kept
}

// Catcher keeps mail.
type Catcher struct {
	Options
	mu    sync.Mutex
	names []string // of the files, oldest first
	next  int64    // number of the next file
}

const ending = ".eml"

// New opens the directory. Unavailable: it cannot be written to.
func New(o Options) (*Catcher, error) {
	if err := os.MkdirAll(o.Path, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, "catchermail.open", err)
	}
	entries, err := os.ReadDir(o.Path)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "catchermail.open", err)
	}
	if err := writable(o.Path); err != nil {
		return nil, fault.Wrap(fault.Unavailable, "catchermail.open", err)
	}
	c := &Catcher{Options: o, next: 1}
	for _, e := range entries { // sorted by name, so by number
		if n, ok := number(e.Name()); ok {
			c.names = append(c.names, e.Name())
			c.next = n + 1
		}
	}
	return c, nil
}

// writable makes a file in a directory and removes it. Mail that could not be written
// would wait in the queue, and nobody would know why.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, "writable-*.part")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// fileName has the number first, so that names sort by age, and the message's
// id, so that a message that comes twice is seen twice.
func fileName(n int64, id string) string { return fmt.Sprintf("%010d-%s%s", n, id, ending) }

func number(name string) (n int64, ok bool) {
	var id string
	_, err := fmt.Sscanf(name, "%d-%s", &n, &id)
	return n, err == nil && strings.HasSuffix(id, ending)
}

// Name implements ports.Mailer.
func (c *Catcher) Name() string { return c.Options.Name }

// Features implements ports.Mailer.
func (c *Catcher) Features() message.Features {
	return message.Features{Attachments: true, Inline: true, Headers: true, Tags: message.MaxTags, Metadata: true, MultiReply: true}
}

// Send implements ports.Mailer. The file is on disk, under its name, when it
// returns.
func (c *Catcher) Send(ctx context.Context, m message.Message) (message.Receipt, error) {
	if ctx.Err() != nil {
		return message.Receipt{}, fault.Wrap(fault.Canceled, "catchermail.send", ctx.Err())
	}
	name := c.reserve(m.ID)
	if err := c.store(name, m); err != nil {
		return message.Receipt{}, err
	}
	return message.Receipt{Reference: name}, c.prune(name)
}

func (c *Catcher) reserve(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := fileName(c.next, id)
	c.next++
	return name
}

// store writes a file that is there whole or not at all. Until it has its name
// nothing was accepted; after that, a failure leaves it unknown.
func (c *Catcher) store(name string, m message.Message) error {
	path := filepath.Join(c.Path, name)
	if err := writeSynced(path+".part", m); err != nil {
		if removed := os.Remove(path + ".part"); !fault.Is(err, fault.Invalid) {
			return fault.Wrap(fault.Unavailable, "catchermail.store", errors.Join(err, removed))
		}
		return err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return fault.Wrap(fault.Unavailable, "catchermail.store", err)
	}
	dir, err := os.Open(c.Path)
	if err != nil {
		return fault.Wrap(fault.UnknownOutcome, "catchermail.store", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fault.Wrap(fault.UnknownOutcome, "catchermail.store", err)
	}
	return nil
}

// writeSynced writes a message straight into a file: a large one is large enough without
// a copy of it. Invalid: it cannot be written, wherever it goes.
func writeSynced(path string, m message.Message) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // in the operator's own directory
	if err != nil {
		return err
	}
	return writeTo(f, m)
}

// buffers are for mail of any size: a new one for each would cost a small message more
// than all else that is done with it.
var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 64<<10) }}

// writeTo writes a message into a file, has it on disk, and closes it.
func writeTo(f *os.File, m message.Message) error {
	to := &sink{file: f}
	w := buffers.Get().(*bufio.Writer) //nolint:errcheck,forcetypeassert // nothing else is in it
	defer buffers.Put(w)
	w.Reset(to)
	err := write(w, m)
	flushed := w.Flush()
	if to.err != nil { // the message may be fine
		err = to.err
	}
	return errors.Join(err, flushed, f.Sync(), f.Close())
}

// sink is a file that remembers why it could not be written.
type sink struct {
	file *os.File
	err  error
}

func (s *sink) Write(p []byte) (n int, err error) {
	n, err = s.file.Write(p)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

// prune notes a new file and drops the oldest beyond Keep. A file that will not
// go is no reason to say that the message was not taken.
func (c *Catcher) prune(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = append(c.names, name)
	for len(c.names) > c.Keep {
		if err := os.Remove(filepath.Join(c.Path, c.names[0])); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil //nolint:nilerr // see above; it is tried again with the next message
		}
		c.names = c.names[1:]
	}
	return nil
}

// List describes the newest messages, newest first.
func (c *Catcher) List(limit int) ([]message.Caught, error) {
	c.mu.Lock()
	names := slices.Clone(c.names[max(0, len(c.names)-limit):])
	c.mu.Unlock()
	slices.Reverse(names)
	caught := make([]message.Caught, 0, len(names))
	for _, name := range names {
		one, err := describe(filepath.Join(c.Path, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // pruned meanwhile
		}
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, "catchermail.list", err)
		}
		caught = append(caught, one)
	}
	return caught, nil
}

// Read returns a message as it was kept. NotFound.
func (c *Catcher) Read(name string) ([]byte, error) {
	if _, ok := number(name); !ok || filepath.Base(name) != name {
		return nil, fault.New(fault.NotFound, "no_such_message", "there is no such message")
	}
	raw, err := os.ReadFile(filepath.Join(c.Path, name)) //nolint:gosec // a plain name, checked above
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "no_such_message", "there is no such message")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "catchermail.read", err)
	}
	return raw, nil
}
