package mongostore

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/bson"

	"patchbay/adapters/storage/table"
	"patchbay/core/event"
	"patchbay/ports"
)

// document is a record as it is stored. Idem and Ref are present in every document, because
// a unique index counts absent values as equal.
type document struct {
	Key        string `bson:"_id"` // kind|tenant|id
	Tenant     string `bson:"tenant"`
	Kind       string `bson:"kind"`
	ID         string `bson:"id"`
	Parent     string `bson:"parent"`   // kind|id, empty for a record without parent
	Unattached bool   `bson:"loose"`    // a child whose record may not exist
	Children   int    `bson:"children"` // number of children; 1 for any number if the record was written by an archive
	Rev        int64  `bson:"rev"`
	Idem       string `bson:"idem"` // kind|idem, or derived from the document's own key
	Ref        string `bson:"ref"`
	Status     string `bson:"status"`
	Customer   string `bson:"customer"`
	Created    int64  `bson:"created"` // microseconds since 1970: a BSON date has milliseconds
	Queue      string `bson:"queue"`
	Due        int64  `bson:"due"`
	Owner      string `bson:"owner"`
	Flag       string `bson:"flag,omitempty"` // kind|flag, absent if there is none
	Flagged    int64  `bson:"flagged,omitempty"`
	Body       []byte `bson:"body"`
	// Terms are absent if there are none. Only an archive reads them.
	Terms []string `bson:"terms,omitempty"`
	// Content is left out of lists, which detect it by Large.
	Content []byte `bson:"content,omitempty"`
	Large   bool   `bson:"large,omitempty"`
	// Pending holds the events that wait to be published, by the revision that added them.
	Pending    map[string][]pendingEvent `bson:"told"`
	HasPending bool                      `bson:"tell"`
}

// pendingEvent is an event that is not in the feed yet. It is stored with its record.
type pendingEvent struct {
	ID      string `bson:"id"`
	Tenant  string `bson:"tenant"`
	Type    string `bson:"type"`
	Subject string `bson:"subject"`
	At      int64  `bson:"at"`
	Data    []byte `bson:"data"`
}

// parentKey returns the key of a child's record.
func parentKey(tenant, parent string) string {
	kind, id, _ := strings.Cut(parent, "|")
	return ports.RecordKey(kind, tenant, id)
}

// noValue is the prefix of the document's own key, in place of a kind, in a unique field
// that has no value.
const noValue = "-|"

// unique returns how a unique value is stored, and value is its inverse.
func unique(r *ports.Record, value string) string {
	if value == "" {
		return noValue + ports.RecordKey(r.Kind, r.Tenant, r.ID)
	}
	return r.Kind + "|" + value
}

func value(kind, unique string) string {
	if strings.HasPrefix(unique, noValue) {
		return ""
	}
	return unique[len(kind)+1:]
}

func flag(kind, flag string) string {
	if flag == "" {
		return ""
	}
	return kind + "|" + flag
}

// inserted returns the document of a new record.
func inserted(r *ports.Record) document {
	d := document{
		Key: ports.RecordKey(r.Kind, r.Tenant, r.ID), Tenant: r.Tenant, Kind: r.Kind, ID: r.ID, Parent: r.Parent, Rev: 1,
		Idem: unique(r, r.Idem), Ref: unique(r, r.Ref),
		Status: r.Index.Status, Customer: r.Index.Customer, Created: table.Micros(r.Index.Created),
		Queue: r.Queue, Due: table.Micros(r.Due), Owner: r.Owner, Body: r.Body, Flag: flag(r.Kind, r.Index.Flag), Flagged: table.Micros(r.Index.Flagged),
		Content: r.Content, Large: len(r.Content) > 0, Terms: r.Terms, Pending: map[string][]pendingEvent{}, HasPending: len(r.Events) > 0,
	}
	if d.HasPending {
		d.Pending["1"] = pendingEvents(r.Events)
	}
	return d
}

// replaced returns the fields that a save changes. Events of earlier saves stay, because
// they may not be published yet.
func replaced(r *ports.Record) bson.M {
	set := bson.M{
		"rev": r.Rev + 1, "idem": unique(r, r.Idem), "ref": unique(r, r.Ref),
		"status": r.Index.Status, "customer": r.Index.Customer, "created": table.Micros(r.Index.Created),
		"queue": r.Queue, "due": table.Micros(r.Due), "owner": r.Owner, "body": r.Body,
		"flag": flag(r.Kind, r.Index.Flag), "flagged": table.Micros(r.Index.Flagged),
		"content": r.Content, "large": len(r.Content) > 0,
	}
	if r.Terms != nil {
		set["terms"] = r.Terms
	}
	if len(r.Events) > 0 {
		set["tell"] = true
		set["told."+strconv.FormatInt(r.Rev+1, 10)] = pendingEvents(r.Events)
	}
	return set
}

func pendingEvents(events []event.Event) []pendingEvent {
	list := make([]pendingEvent, len(events))
	for i, e := range events {
		list[i] = pendingEvent{ID: e.ID, Tenant: e.Tenant, Type: e.Type, Subject: e.Subject, At: table.Micros(e.At), Data: e.Data}
	}
	return list
}

func (d *document) record() ports.Record {
	return ports.Record{
		Tenant: d.Tenant, Kind: d.Kind, ID: d.ID, Parent: d.Parent, Rev: d.Rev, Idem: value(d.Kind, d.Idem), Ref: value(d.Kind, d.Ref),
		Index: ports.Index{
			Status: d.Status, Customer: d.Customer, Created: table.Moment(d.Created),
			Flag: strings.TrimPrefix(d.Flag, d.Kind+"|"), Flagged: table.Moment(d.Flagged),
		},
		Queue: d.Queue, Due: table.Moment(d.Due), Owner: d.Owner, Body: d.Body,
		Content: d.Content, Partial: d.Large && len(d.Content) == 0,
	}
}
