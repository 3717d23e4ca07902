package ports

import (
	"math"
	"strconv"
	"strings"
	"time"

	"patchbay/core/fault"
	"patchbay/core/user"
)

// PageBytes is the size in bytes of bodies, or of users, at which a page of a list ends before
// its limit: the entry that exceeds it is the last of the page.
const PageBytes = 1 << 20

// RecordPage is one page of a list. Next is empty on the last page.
type RecordPage struct {
	Records []Record
	Next    string
}

// PageOfRecords returns a page of records, or the error of reading them. more reports whether the
// list continues.
func PageOfRecords(records []Record, more bool, err error) (RecordPage, error) {
	page, next, err := pageOf(records, more, err, func(r Record) Cursor { return CursorAt(r.Index.Created, r.ID) })
	return RecordPage{page, next}, err
}

// PageOfUsers returns a page of users, or the error of reading them. more reports whether the list
// continues.
func PageOfUsers(users []user.User, more bool, err error) (user.Page, error) {
	page, next, err := pageOf(users, more, err, func(u user.User) Cursor { return CursorAt(u.CreatedAt, u.ID) })
	return user.Page{Users: page, Next: next}, err
}

func pageOf[E any](entries []E, more bool, err error, at func(E) Cursor) (page []E, next string, _ error) {
	if err != nil {
		return nil, "", err
	}
	if n := len(entries); more && n > 0 {
		next = at(entries[n-1]).String()
	}
	return entries, next, nil
}

// CursorAt returns the cursor after the entry that was created at a time and has an ID.
func CursorAt(created time.Time, id string) Cursor {
	if created.IsZero() { // stored as 0
		return Cursor{ID: id}
	}
	return Cursor{Created: created.UnixMicro(), ID: id}
}

// Pager determines where a page of a list ends: at its limit, or when its entries have PageBytes
// together.
type Pager struct {
	limit, entries, bytes int
}

// NewPager returns a Pager for up to limit entries.
func NewPager(limit int) Pager { return Pager{limit: max(limit, 1)} }

// Take reports whether the page has room for the next entry of the list, and counts the entry
// with its size in memory.
func (p *Pager) Take(bytes int) bool {
	if p.entries == p.limit || p.bytes >= PageBytes {
		return false
	}
	p.entries++
	p.bytes += bytes
	return true
}

// Cursor is a position in a list that is newest first: after the entry that was created at
// Created, in microseconds since 1970, and has this ID.
type Cursor struct {
	Created int64
	ID      string
}

// String returns the cursor in the form that callers get. It is opaque to them.
func (c Cursor) String() string { return strconv.FormatInt(c.Created, 36) + "." + c.ID }

// ParseCursor parses a cursor as callers send it. The empty cursor is before the newest entry.
// Invalid with code invalid_cursor.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{Created: math.MaxInt64}, nil
	}
	at, id, ok := strings.Cut(s, ".")
	created, err := strconv.ParseInt(at, 36, 64)
	if !ok || err != nil || id == "" {
		return Cursor{}, fault.InvalidParam("cursor", "invalid_cursor", "cursor must be a nextCursor of this list")
	}
	return Cursor{created, id}, nil
}

// Range returns which records the filter selects by their time after a cursor: those that were
// created at from or later, in microseconds since 1970, and that come after the position returned.
// Invalid: see ParseCursor.
func (f Filter) Range(cursor string) (from int64, after Cursor, err error) {
	if after, err = ParseCursor(cursor); err != nil {
		return 0, Cursor{}, err
	}
	from = math.MinInt64
	if !f.From.IsZero() {
		from = ceilMicro(f.From)
	}
	if !f.Before.IsZero() {
		if before := ceilMicro(f.Before); before <= after.Created {
			after = Cursor{Created: before} // no ID is less than the empty one
		}
	}
	return from, after, nil
}

// ceilMicro returns the first microsecond since 1970 that is not before t.
func ceilMicro(t time.Time) int64 {
	micros := t.UnixMicro()
	if time.UnixMicro(micros).Before(t) {
		micros++
	}
	return micros
}
