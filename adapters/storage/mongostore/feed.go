package mongostore

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/adapters/storage/table"
	"patchbay/core/event"
	"patchbay/ports"
)

// feedEntry is an event in the feed. Seq as the key makes the feed gapless: a publisher inserts
// at last+1, and if two do, one is refused.
type feedEntry struct {
	Seq     int64  `bson:"_id"`
	ID      string `bson:"event"` // unique: a published event is not published again
	Tenant  string `bson:"tenant"`
	Type    string `bson:"type"`
	Subject string `bson:"subject"`
	At      int64  `bson:"at"`
	Data    []byte `bson:"data"`
}

// Publish implements ports.Feed. It may be interrupted between its steps, and several
// processes may run it at once: events that are already in the feed are skipped.
func (s *Store) Publish(ctx context.Context, n int) (int, error) {
	moved, err := s.publish(ctx, s.records, n)
	if err != nil || moved == n {
		return moved, err
	}
	more, err := s.publish(ctx, s.userDocs, n-moved)
	return moved + more, err
}

// publisher is a document of either collection that has events to publish.
type publisher struct {
	Key     string                    `bson:"_id"`
	Rev     int64                     `bson:"rev"`
	Pending map[string][]pendingEvent `bson:"told"`
}

func (s *Store) publish(ctx context.Context, from *mongo.Collection, n int) (int, error) {
	docs, err := all[publisher](ctx, from, "mongostore.publish", bson.D{{Key: "tell", Value: true}}, options.Find().SetLimit(int64(n)).
		SetProjection(bson.D{{Key: "rev", Value: 1}, {Key: "told", Value: 1}}))
	if err != nil || len(docs) == 0 {
		return 0, err
	}
	if err := s.insert(ctx, pending(docs)); err != nil {
		return 0, err
	}
	for i := range docs {
		// A document that has changed meanwhile may have more events, and keeps them.
		_, err := from.UpdateOne(ctx, bson.D{{Key: "_id", Value: docs[i].Key}, {Key: "rev", Value: docs[i].Rev}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "told", Value: bson.D{}}, {Key: "tell", Value: false}}}})
		if err != nil {
			return i, writeFault("mongostore.publish", err)
		}
	}
	return len(docs), nil
}

// pending lists the events of documents, by document and revision.
func pending(docs []publisher) (list []pendingEvent) {
	for _, d := range docs {
		for _, rev := range slices.SortedFunc(maps.Keys(d.Pending), byNumber) {
			list = append(list, d.Pending[rev]...)
		}
	}
	return list
}

func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// insert appends the events that are not in the feed yet. Each refusal means that another
// publisher has made progress, so the loop ends.
func (s *Store) insert(ctx context.Context, list []pendingEvent) error {
	for {
		fresh, err := s.fresh(ctx, list)
		if err != nil || len(fresh) == 0 {
			return err
		}
		_, err = s.feed.InsertMany(ctx, fresh) // in order: it stops at the first refusal
		if !mongo.IsDuplicateKeyError(err) {
			return writeFault("mongostore.publish", err)
		}
	}
}

// fresh assigns numbers to the events that are not in the feed yet.
func (s *Store) fresh(ctx context.Context, list []pendingEvent) ([]any, error) {
	ids := make([]string, len(list))
	for i, e := range list {
		ids[i] = e.ID
	}
	stored, err := s.feedEntries(ctx, bson.D{{Key: "event", Value: bson.D{{Key: "$in", Value: ids}}}}, options.Find())
	if err != nil {
		return nil, err
	}
	published := make(map[string]bool, len(stored))
	for _, e := range stored {
		published[e.ID] = true
	}
	last, err := s.feedEntries(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(1))
	if err != nil {
		return nil, err
	}
	var seq int64
	if len(last) > 0 {
		seq = last[0].Seq
	}
	var fresh []any
	for _, e := range list {
		if !published[e.ID] {
			seq++
			fresh = append(fresh, feedEntry{seq, e.ID, e.Tenant, e.Type, e.Subject, e.At, e.Data})
		}
	}
	return fresh, nil
}

func (s *Store) feedEntries(ctx context.Context, filter bson.D, o *options.FindOptions) ([]feedEntry, error) {
	return all[feedEntry](ctx, s.feed, "mongostore.feed", filter, o)
}

// Feed implements ports.Feed.
func (s *Store) Feed(ctx context.Context, tenant string, after int64, n int) ([]event.Event, error) {
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}}
	if tenant != ports.AllTenants {
		filter = append(filter, bson.E{Key: "tenant", Value: tenant})
	}
	list, err := s.feedEntries(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(n)))
	if err != nil {
		return nil, err
	}
	var events []event.Event
	pager := ports.NewPager(n)
	for _, e := range list {
		if !pager.Take(len(e.Data)) {
			break
		}
		events = append(events, e.event())
	}
	return events, nil
}

func (e feedEntry) event() event.Event {
	return event.Event{Seq: e.Seq, ID: e.ID, Tenant: e.Tenant, Type: e.Type, Subject: e.Subject, At: table.Moment(e.At), Data: e.Data}
}
