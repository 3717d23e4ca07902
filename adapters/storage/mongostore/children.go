package mongostore

import (
	"bytes"
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// Attach implements ports.Children. A child is unattached until its record exists. If the
// process ends in between, Sweep removes the unattached children.
func (s *Store) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	if err := record.Attachable(parent, children); err != nil {
		return err
	}
	for _, c := range children {
		c.Parent = parent.Name()
		if err := s.insertUnattached(ctx, c); err != nil {
			return err
		}
	}
	if err := s.save(ctx, parent, new(len(children))); err != nil {
		return err
	}
	if err := s.markAttached(ctx, parent, children); err != nil {
		return err
	}
	for _, c := range children {
		c.Rev = 1
	}
	return nil
}

// insertUnattached inserts a child. A child of the same record with the same body, left by an
// earlier process, is accepted.
func (s *Store) insertUnattached(ctx context.Context, c *ports.Record) error {
	d := inserted(c)
	d.Unattached = true
	_, err := s.records.InsertOne(ctx, d)
	if !mongo.IsDuplicateKeyError(err) {
		return writeFault("mongostore.attach", err)
	}
	stored, err := s.Get(ctx, c.Tenant, c.Kind, c.ID)
	if err != nil {
		return err
	}
	if stored.Parent != c.Parent || !bytes.Equal(stored.Body, c.Body) {
		return table.ErrRecordConflict
	}
	return nil
}

// markAttached attaches children to their record, which exists. If the record was written so late
// that some children were swept, they are inserted again.
func (s *Store) markAttached(ctx context.Context, parent *ports.Record, children []*ports.Record) error {
	res, err := s.records.UpdateMany(ctx, childrenOf(parent), bson.D{{Key: "$set", Value: bson.D{{Key: "loose", Value: false}}}})
	if err != nil {
		return writeFault("mongostore.attach", err)
	}
	if res.MatchedCount == int64(len(children)) {
		return nil
	}
	for _, c := range children {
		if _, err := s.records.InsertOne(ctx, inserted(c)); err != nil && !mongo.IsDuplicateKeyError(err) {
			return writeFault("mongostore.attach", err)
		}
	}
	return nil
}

func childrenOf(parent *ports.Record) bson.D {
	return bson.D{{Key: "tenant", Value: parent.Tenant}, {Key: "parent", Value: parent.Name()}}
}

// Detach implements ports.Children. The children become unattached before their record is saved
// without them. Sweep completes a Detach that was interrupted.
func (s *Store) Detach(ctx context.Context, parent *ports.Record) error {
	if err := s.markUnattached(ctx, parent); err != nil {
		return err
	}
	if err := s.save(ctx, parent, new(0)); err != nil {
		return err
	}
	_, err := s.records.DeleteMany(ctx, childrenOf(parent))
	if err != nil {
		return nil //nolint:nilerr // the record is saved; Sweep removes them
	}
	return nil
}

// markUnattached lets Sweep check the children of a record that is about to be saved without them.
func (s *Store) markUnattached(ctx context.Context, parent *ports.Record) error {
	_, err := s.records.UpdateMany(ctx, childrenOf(parent), bson.D{{Key: "$set", Value: bson.D{{Key: "loose", Value: true}}}})
	return readFault("mongostore.loosen", err) // an unknown outcome does no harm here
}

// Sweep implements ports.Children.
func (s *Store) Sweep(ctx context.Context, before time.Time, n int) (int, error) {
	unattached, err := all[document](ctx, s.records, "mongostore.sweep", bson.D{{Key: "loose", Value: true}, {Key: "created", Value: bson.D{{Key: "$lt", Value: table.Micros(before)}}}},
		options.Find().SetLimit(int64(n)).SetProjection(bson.D{{Key: "body", Value: 0}, {Key: "content", Value: 0}}))
	return sum(unattached, err, func(d document) (int64, error) { return s.sweep(ctx, d) })
}

// sweep removes an unattached child, or attaches it to its record if the record has children.
func (s *Store) sweep(ctx context.Context, d document) (removed int64, err error) {
	child := bson.D{{Key: "_id", Value: d.Key}, {Key: "loose", Value: true}}
	var parent document
	err = s.records.FindOne(ctx, bson.D{{Key: "_id", Value: parentKey(d.Tenant, d.Parent)}}).Decode(&parent)
	switch err = readFault("mongostore.sweep", err); {
	case err == nil && parent.Children > 0:
		_, err = s.records.UpdateOne(ctx, child, bson.D{{Key: "$set", Value: bson.D{{Key: "loose", Value: false}}}})
		return 0, writeFault("mongostore.sweep", err)
	case err != nil && !fault.Is(err, fault.NotFound):
		return 0, err
	}
	return deleteOne(ctx, s.records, "mongostore.sweep", child)
}
