package ports

import (
	"math"
	"strconv"
	"strings"

	"patchbay/core/fault"
)

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
