package ports

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"patchbay/core/event"
	"patchbay/core/idem"
	"patchbay/core/user"
)

// Section is a part of what a store holds.
type Section string

// The sections: all that a store holds is in one of them.
const (
	RecordSection Section = "records" // of all tenants and kinds, children among them
	UserSection   Section = "users"   // with what is left of those who are deleted
	FeedSection   Section = "feed"
)

// Sections lists them.
func Sections() []Section { return []Section{RecordSection, UserSection, FeedSection} }

// ArchivePage is how many bytes, about, end a page of an Archive: the entry that
// makes it larger is its last.
const ArchivePage = 2 << 20

// Entry is one thing that a store holds, as it is there. One of the three is set.
type Entry struct {
	Record *Record // without Events: they are in the feed
	User   *StoredUser
	Event  *event.Feed
}

// StoredUser is a user with what a store keeps of their creation.
type StoredUser struct {
	User     user.User  // of a deleted one: ID, Tenant, Version and times
	Key      idem.Key   // under which they were created; zero where there is none or it was given up
	Original *user.User // as created, where they have a Key and have changed since
	Deleted  bool
}

// Archive is a store laid open, so that all it holds can be moved to another store
// and compared. It is for a store that no gateway changes; one that is only read
// may be in use.
//
// Any method may return Unavailable (proved: nothing was written) and, where it
// writes, UnknownOutcome.
type Archive interface {
	// Scan reads up to limit entries of a section, fewer where they are large, in an
	// order of the store's own. The page goes on where next, given as after, says; it
	// may be empty before the end, where next is.
	Scan(ctx context.Context, section Section, after string, limit int) (page []Entry, next string, err error)

	// Digests returns the digest of each entry of a section that is there, by key.
	Digests(ctx context.Context, section Section, keys ...string) (map[string]Digest, error)

	// Put adds entries of a section as they are: revisions, versions and numbers are
	// kept, and the feed goes on after its last. Where it fails, some may have been
	// added. Conflict: a key or a unique value is taken. Invalid: the store cannot
	// hold one of them.
	Put(ctx context.Context, section Section, entries ...Entry) error

	// Remove removes those of a section that are there, and nothing else.
	Remove(ctx context.Context, section Section, keys ...string) error
}

// RecordKey is the Key of a record.
func RecordKey(kind, tenant, id string) string { return kind + "|" + tenant + "|" + id }

// ParseRecordKey is the reverse of RecordKey: no kind and no tenant has a bar.
func ParseRecordKey(key string) (kind, tenant, id string) {
	kind, rest, _ := strings.Cut(key, "|")
	tenant, id, _ = strings.Cut(rest, "|")
	return kind, tenant, id
}

// UserKey is the Key of a user.
func UserKey(tenant, id string) string { return tenant + "|" + id }

// ParseUserKey is the reverse of UserKey.
func ParseUserKey(key string) (tenant, id string) {
	tenant, id, _ = strings.Cut(key, "|")
	return tenant, id
}

// FeedKey is the Key of an event.
func FeedKey(seq int64) string { return strconv.FormatInt(seq, 10) }

// ParseFeedKey is the reverse of FeedKey, 0 for what is none.
func ParseFeedKey(key string) int64 {
	seq, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// Key names the entry within its section.
func (e Entry) Key() string {
	switch {
	case e.Record != nil:
		return RecordKey(e.Record.Kind, e.Record.Tenant, e.Record.ID)
	case e.User != nil:
		return UserKey(e.User.User.Tenant, e.User.User.ID)
	}
	return FeedKey(e.Event.Seq)
}

// Digest is a checksum: SHA-256 of an entry's canonical form.
type Digest [sha256.Size]byte

// Digest is the same for the same entry in every store, and another for any other.
// The canonical form is the fields in order, each text with its length before it,
// and times in microseconds.
func (e Entry) Digest() (d Digest) {
	c := canonical{sha256.New()}
	switch {
	case e.Record != nil:
		r := e.Record
		c.texts("record", r.Tenant, r.Kind, r.ID, r.Parent, r.Idem, r.Ref, r.Index.Status, r.Index.Customer, r.Queue, r.Owner)
		c.numbers(r.Rev)
		c.times(r.Index.Created, r.Due)
		c.bytes(r.Body)
		if len(r.Content) > 0 {
			c.bytes(r.Content)
		}
		if r.Index.Flag != "" {
			c.texts("flag", r.Index.Flag)
			c.times(r.Index.Flagged)
		}
	case e.User != nil:
		u := e.User
		c.texts("user", u.Key.Scoped, u.Key.Fingerprint, strconv.FormatBool(u.Deleted))
		c.user(&u.User)
		c.user(u.Original)
	default:
		v := e.Event
		c.texts("event", v.Tenant, v.ID, v.Type, v.Subject)
		c.numbers(v.Seq)
		c.times(v.At)
		c.bytes(v.Data)
	}
	c.Sum(d[:0])
	return d
}

// canonical writes the canonical form.
type canonical struct{ hash.Hash }

func (c canonical) bytes(b []byte) {
	c.numbers(int64(len(b)))
	c.Write(b)
}

func (c canonical) texts(all ...string) {
	for _, s := range all {
		c.bytes([]byte(s))
	}
}

func (c canonical) numbers(all ...int64) {
	for _, n := range all {
		c.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
}

func (c canonical) times(all ...time.Time) {
	for _, t := range all {
		if t.IsZero() {
			c.numbers(0)
		} else {
			c.numbers(t.UnixMicro())
		}
	}
}

// user writes a user, or that there is none.
func (c canonical) user(u *user.User) {
	if u == nil {
		c.texts("none")
		return
	}
	c.texts(u.ID, u.Tenant, u.Email, u.Name)
	c.numbers(u.Version, int64(len(u.Metadata)))
	for _, k := range slices.Sorted(maps.Keys(u.Metadata)) {
		c.texts(k, u.Metadata[k])
	}
	c.times(u.CreatedAt, u.UpdatedAt)
}
