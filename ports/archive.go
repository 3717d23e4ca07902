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
	"patchbay/core/idempotency"
	"patchbay/core/user"
)

// Section is a part of a store's contents.
type Section string

// The sections. Together they contain everything in a store.
const (
	RecordSection Section = "records" // of all tenants and kinds, including children
	UserSection   Section = "users"   // including what is left of deleted users
	FeedSection   Section = "feed"
)

// Sections lists all sections.
func Sections() []Section { return []Section{RecordSection, UserSection, FeedSection} }

// ArchivePage is the approximate size in bytes at which a page of an Archive ends: the entry
// that exceeds it is the last of the page.
const ArchivePage = 2 << 20

// Entry is one entry of a store, exactly as it is stored. One of the three fields is set.
type Entry struct {
	Record *Record // with its Terms, and without Events, which are in the feed
	User   *StoredUser
	Event  *event.Event
}

// StoredUser is a user with what the store keeps about its creation.
type StoredUser struct {
	User     user.User       // of a deleted user: ID, Tenant, Version and times
	Key      idempotency.Key // the key of its creation; zero if there is none or it was given up
	Original *user.User      // the user as created, if it has a Key and has changed since
	Deleted  bool
}

// Archive gives access to everything in a store, so that it can be moved to another store and
// compared. A store must not be in use by a gateway while an Archive writes to it. A store that
// is only read may be in use.
//
// Any method may return Unavailable (proved: nothing was written) and, where it writes,
// UnknownOutcome.
type Archive interface {
	// Scan reads up to limit entries of a section, fewer if they are large, in an order chosen by
	// the store. The next page is read with next passed as after. A page may be empty before the
	// end; next is empty only at the end.
	Scan(ctx context.Context, section Section, after string, limit int) (page []Entry, next string, err error)

	// Digests returns the digests, by key, of those entries of a section that exist.
	Digests(ctx context.Context, section Section, keys ...string) (map[string]Digest, error)

	// Put adds entries of a section unchanged: revisions, versions and numbers are kept, and the
	// feed continues after its last event. If it fails, some entries may have been added.
	// Conflict: a key or a unique value is taken. Invalid: the store cannot hold one of the
	// entries.
	Put(ctx context.Context, section Section, entries ...Entry) error

	// Remove removes those entries of a section that exist, and nothing else.
	Remove(ctx context.Context, section Section, keys ...string) error
}

// RecordKey returns the Key of a record.
func RecordKey(kind, tenant, id string) string { return kind + "|" + tenant + "|" + id }

// ParseRecordKey is the inverse of RecordKey. Kinds and tenants contain no bar.
func ParseRecordKey(key string) (kind, tenant, id string) {
	kind, rest, _ := strings.Cut(key, "|")
	tenant, id, _ = strings.Cut(rest, "|")
	return kind, tenant, id
}

// UserKey returns the Key of a user.
func UserKey(tenant, id string) string { return tenant + "|" + id }

// ParseUserKey is the inverse of UserKey.
func ParseUserKey(key string) (tenant, id string) {
	tenant, id, _ = strings.Cut(key, "|")
	return tenant, id
}

// FeedKey returns the Key of an event.
func FeedKey(seq int64) string { return strconv.FormatInt(seq, 10) }

// ParseFeedKey is the inverse of FeedKey. It returns 0 if key is invalid.
func ParseFeedKey(key string) int64 {
	seq, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// Key returns the entry's name within its section.
func (e Entry) Key() string {
	switch {
	case e.Record != nil:
		return RecordKey(e.Record.Kind, e.Record.Tenant, e.Record.ID)
	case e.User != nil:
		return UserKey(e.User.User.Tenant, e.User.User.ID)
	}
	return FeedKey(e.Event.Seq)
}

// Digest is the SHA-256 checksum of an entry's canonical form.
type Digest [sha256.Size]byte

// Digest returns the same value for the same entry in every store, and a different one for any
// other entry. The canonical form is the fields in order, each text prefixed with its length,
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
		if len(r.Terms) > 0 {
			c.texts(append([]string{"terms"}, r.Terms...)...)
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

// canonical hashes the canonical form.
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

// user writes a user, or "none" for nil.
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
