package table

import (
	"patchbay/core/record"
	"patchbay/ports"
)

// KeyParts returns the parts of the key of an entry, in the order of the primary key.
func KeyParts(section ports.Section, key string) []any {
	switch section {
	case ports.RecordSection:
		kind, tenant, id := ports.ParseRecordKey(key)
		return []any{kind, tenant, id}
	case ports.UserSection:
		tenant, id := ports.ParseUserKey(key)
		return []any{tenant, id}
	case ports.FeedSection:
	}
	return []any{ports.ParseFeedKey(key)}
}

// ScanEntry reads ArchivedColumns, StoredColumns or EventColumns, by the section.
func ScanEntry(section ports.Section, row Row) (ports.Entry, error) {
	switch section {
	case ports.RecordSection:
		var terms []byte
		r, err := ScanRecord(row, &terms)
		if err == nil {
			r.Terms, err = record.DecodeTerms(terms)
		}
		return ports.Entry{Record: &r}, err
	case ports.UserSection:
		u, err := scanStored(row)
		return ports.Entry{User: &u}, err
	case ports.FeedSection:
	}
	e, err := ScanEvent(row)
	return ports.Entry{Event: &e}, err
}

// EntryValues returns the values of an entry, in the order of RecordNames, UserNames or
// EventColumns. Invalid: it cannot be encoded.
func EntryValues(e ports.Entry) ([]any, error) {
	switch {
	case e.Record != nil:
		return RecordValues(e.Record, e.Record.Rev), nil
	case e.User != nil:
		return storedValues(e.User)
	}
	return EventValues(e.Event), nil
}
