package ports

import (
	"time"

	"patchbay/core/user"
)

// PageBytes is how many bytes of bodies, or of users, end a page of a list before its
// limit does: the entry that makes it larger is its last.
const PageBytes = 1 << 20

// RecordPage is a part of a list. Next is empty at the end.
type RecordPage struct {
	Records []Record
	Next    string
}

// PageOfRecords makes a page of all its records. more tells that the list goes on.
func PageOfRecords(all []Record, more bool) RecordPage {
	page := RecordPage{Records: all}
	if n := len(all); more && n > 0 {
		page.Next = placeOf(all[n-1].Index.Created, all[n-1].ID).String()
	}
	return page
}

// PageOfUsers makes a page of all its users. more tells that the list goes on.
func PageOfUsers(all []user.User, more bool) user.Page {
	page := user.Page{Users: all}
	if n := len(all); more && n > 0 {
		page.Next = placeOf(all[n-1].CreatedAt, all[n-1].ID).String()
	}
	return page
}

func placeOf(created time.Time, id string) Cursor {
	if created.IsZero() { // which stores keep as 0
		return Cursor{ID: id}
	}
	return Cursor{Created: created.UnixMicro(), ID: id}
}

// Pager tells where a page of a list ends: at its limit, or when its entries have
// PageBytes together.
type Pager struct {
	limit, entries, bytes int
}

// NewPager makes a Pager for up to limit entries.
func NewPager(limit int) Pager { return Pager{limit: max(limit, 1)} }

// Take reports whether the page has a place for the next entry of the list, and counts
// it with the bytes that it has in memory.
func (p *Pager) Take(bytes int) bool {
	if p.entries == p.limit || p.bytes >= PageBytes {
		return false
	}
	p.entries++
	p.bytes += bytes
	return true
}
