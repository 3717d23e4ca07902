// Package catchermail stores mail as files instead of sending it, for testing. The files
// hold what a mail server would have received. About mail to addresses of TestDomain it reports events
// by webhook, as a provider does.
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

	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

var _ ports.Mailer = (*Catcher)(nil)

// Options configures a Catcher.
type Options struct {
	Name string // the configured name
	Path string // the directory, which is created if it does not exist
	Keep int    // number of newest messages kept
	// Events are needed to report events. Nil means that none are reported.
	Events *EventOptions
}

// Catcher stores mail.
type Catcher struct {
	Options
	courier *courier // nil without Events
	mu      sync.Mutex
	names   []string // of the files, oldest first
	next    int64    // number of the next file
}

const extension = ".eml"

// New opens the directory. It returns Unavailable if the directory cannot be written to.
func New(o Options) (*Catcher, error) {
	entries, err := prepare(o.Path)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "catchermail.open", err)
	}
	c := &Catcher{Options: o, next: 1}
	if o.Events != nil {
		c.courier = newCourier(*o.Events)
	}
	for _, e := range entries { // sorted by name, and so by number
		if n, ok := number(e.Name()); ok {
			c.names = append(c.names, e.Name())
			c.next = n + 1
		}
	}
	return c, nil
}

// prepare creates a directory if there is none, and lists it. It checks that files can be
// created in it; otherwise mail would wait in the queue without a visible reason.
func prepare(dir string) ([]os.DirEntry, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "writable-*.part")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return nil, err
	}
	return os.ReadDir(dir)
}

// fileName starts with the number, so that names sort by age, and includes the message's
// id, so that a message received twice can be recognised.
func fileName(n int64, id string) string { return fmt.Sprintf("%010d-%s%s", n, id, extension) }

func number(name string) (n int64, ok bool) {
	var id string
	_, err := fmt.Sscanf(name, "%d-%s", &n, &id)
	return n, err == nil && strings.HasSuffix(id, extension)
}

// Name implements ports.Mailer.
func (c *Catcher) Name() string { return c.Options.Name }

// Features implements ports.Mailer.
func (c *Catcher) Features() email.Features {
	return email.Features{
		Attachments: true, Inline: true, Headers: true, Tags: email.MaxTags, Metadata: true, MultiReply: true, OnlyBcc: true, UTF8: true, MIME: true,
		Tracking: email.EachTracking(),
	}
}

// Send implements ports.Mailer. When it returns, the file is on disk under its name.
func (c *Catcher) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if ctx.Err() != nil {
		return email.Receipt{}, fault.Wrap(fault.Canceled, "catchermail.send", ctx.Err())
	}
	name := c.reserve(m.ID)
	if err := c.store(name, m); err != nil {
		return email.Receipt{}, err
	}
	c.prune(name)
	if c.courier != nil {
		c.courier.add(c.happenings(m, name)...)
	}
	return email.Receipt{Reference: name}, nil
}

func (c *Catcher) reserve(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := fileName(c.next, id)
	c.next++
	return name
}

// store writes a complete file or none. Before the file has its name nothing was accepted;
// after that, an error leaves the outcome unknown.
func (c *Catcher) store(name string, m email.Message) error {
	path := filepath.Join(c.Path, name)
	f, err := os.OpenFile(path+".part", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // in the operator's own directory
	if err == nil {
		err = writeTo(f, m)
	}
	if err != nil {
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

// buffers holds the write buffers. For a small message, allocating a new one would cost
// more than all other work.
var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 64<<10) }}

// writeTo writes a message to a file, syncs it to disk, and closes it. The message is not
// copied in memory, because it may be large. It returns Invalid if the message cannot be
// written anywhere.
func writeTo(f *os.File, m email.Message) error {
	to := &errorWriter{file: f}
	w := buffers.Get().(*bufio.Writer) // nothing else is in it
	defer buffers.Put(w)
	w.Reset(to)
	err := writeMessage(w, m)
	flushed := w.Flush()
	if to.err != nil { // the message may be fine
		err = to.err
	}
	return errors.Join(err, flushed, f.Sync(), f.Close())
}

// errorWriter is a file that remembers its first write error.
type errorWriter struct {
	file *os.File
	err  error
}

func (s *errorWriter) Write(p []byte) (n int, err error) {
	n, err = s.file.Write(p)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

// prune records a new file and removes the oldest beyond Keep. If a file cannot be removed,
// the message still counts as accepted.
func (c *Catcher) prune(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = append(c.names, name)
	for len(c.names) > c.Keep {
		if err := os.Remove(filepath.Join(c.Path, c.names[0])); err != nil && !errors.Is(err, os.ErrNotExist) {
			return // it is tried again with the next message
		}
		c.names = c.names[1:]
	}
}

// List describes the newest messages, newest first.
func (c *Catcher) List(limit int) ([]email.Caught, error) {
	c.mu.Lock()
	names := slices.Clone(c.names[max(0, len(c.names)-limit):])
	c.mu.Unlock()
	slices.Reverse(names)
	caught := make([]email.Caught, 0, len(names))
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

// Read returns a message as it was stored. It returns NotFound if there is none.
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

// Provider registers the type catcher.
var Provider = provider.Mail{
	Type: setting.Type{Name: "catcher", Simulated: true, Settings: func() any { return &Settings{Path: "data/mail", Keep: 1000} }},
	New: func(e provider.Environment) (ports.Mailer, error) {
		s := e.Settings.(*Settings)
		return New(Options{
			Name: e.Name, Path: s.Path, Keep: s.Keep,
			Events: &EventOptions{Endpoint: e.Endpoint, Secret: e.Secrets[0].Reveal(), Clock: e.Clock, IDs: e.IDs, Log: e.Log},
		})
	},
	Webhooks: provider.Webhooks[provider.MailHook]{Format: "catcher", New: NewHook},
}

// Settings are those of a catcher.
type Settings struct {
	Path string `config:"path"` // the directory
	Keep int    `config:"keep"` // number of newest messages kept
}

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	all.Require(s.Path != "", "path", "must name a directory, such as data/mail")
	all.Require(s.Keep >= 1, "keep", "must be at least 1")
	return all
}

// Signing implements setting.Signs. The secret is one of this installation.
func (s *Settings) Signing() (key string, secrets []setting.Secret) { return "", nil }

// Place implements setting.Placed.
func (s *Settings) Place() string { return s.Path }
