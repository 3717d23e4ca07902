package events

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"patchbay/core/event"
	"patchbay/core/fault"
)

// cursor is a position in the feed: after the event with number seq and digest mark. Its text
// form is "seq.mark", both in base 36, and opaque to readers.
type cursor struct {
	seq int64 // 0 before the first event
	// mark is empty before the first event, and in cursors issued by earlier versions. Those are
	// accepted if there is an event with their number, whichever it is.
	mark string
}

// markLength is the number of base 36 digits of 64 bits.
const markLength = 13

// markOf returns a digest of an event's id. Ids are random, so no two events have the same.
func markOf(e event.Event) string {
	sum := sha256.Sum256([]byte(e.ID))
	return formatMark(binary.BigEndian.Uint64(sum[:]))
}

func cursorAfter(e event.Event) cursor { return cursor{e.Seq, markOf(e)} }

func (c cursor) String() string {
	seq := strconv.FormatInt(c.seq, 36)
	if c.mark == "" {
		return seq
	}
	return seq + "." + c.mark
}

var errCursor = fault.InvalidParam("cursor", "invalid_cursor", "cursor must be a nextCursor of this list")

// parseCursor accepts no spelling but that of String.
func parseCursor(s string) (cursor, error) {
	if s == "" {
		return cursor{}, nil
	}
	number, mark, marked := strings.Cut(s, ".")
	seq, err := strconv.ParseInt(number, 36, 64)
	at := cursor{seq, mark}
	if err != nil || seq < 0 || at.String() != s || marked && (seq == 0 || !isMark(mark)) {
		return cursor{}, errCursor
	}
	return at, nil
}

// isMark reports whether markOf may have returned s.
func isMark(s string) bool {
	sum, err := strconv.ParseUint(s, 36, 64)
	return err == nil && formatMark(sum) == s
}

func formatMark(sum uint64) string {
	return fmt.Sprintf("%0*s", markLength, strconv.FormatUint(sum, 36))
}
