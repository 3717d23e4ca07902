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

// Attach implements ports.Children. A child is loose until its record exists. If the process
// ends in between, Sweep removes the loose children.
func (s *Store) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	if err := record.Attachable(parent, children); err != nil {
		return err
	}
	for _, c := range children {
		c.Parent = parent.Name()
		if err := s.putLoose(ctx, c); err != nil {
			return err
		}
	}
	if err := s.save(ctx, parent, new(len(children))); err != nil {
		return err
	}
	if err := s.fasten(ctx, parent, children); err != nil {
		return err
	}
	for _, c := range children {
		c.Rev = 1
	}
	return nil
}

// putLoose inserts a child. A child of the same record with the same body, left by an
// earlier process, is accepted.
func (s *Store) putLoose(ctx context.Context, c *ports.Record) error {
	d := inserted(c)
	d.Loose = true
	_, err := s.records.InsertOne(ctx, d)
	if !mongo.IsDuplicateKeyError(err) {
		return writeFault("mongostore.attach", err)
	}
	there, err := s.Get(ctx, c.Tenant, c.Kind, c.ID)
	if err != nil {
		return err
	}
	if there.Parent != c.Parent || !bytes.Equal(there.Body, c.Body) {
		return table.ErrRecordConflict
	}
	return nil
}

// fasten ties children to their record, which exists. If the record was written so late
// that some children were swept, they are inserted again.
func (s *Store) fasten(ctx context.Context, parent *ports.Record, children []*ports.Record) error {
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

// Detach implements ports.Children. The children become loose before their record is saved
// without them. Sweep completes a Detach that was interrupted.
func (s *Store) Detach(ctx context.Context, parent *ports.Record) error {
	if err := s.loosen(ctx, parent); err != nil {
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

// loosen lets Sweep check the children of a record that is about to be saved without them.
func (s *Store) loosen(ctx context.Context, parent *ports.Record) error {
	_, err := s.records.UpdateMany(ctx, childrenOf(parent), bson.D{{Key: "$set", Value: bson.D{{Key: "loose", Value: true}}}})
	return readFault("mongostore.loosen", err) // an unknown outcome does no harm here
}

// Sweep implements ports.Children.
func (s *Store) Sweep(ctx context.Context, before time.Time, n int) (int, error) {
	loose, err := all[document](ctx, s.records, "mongostore.sweep", bson.D{{Key: "loose", Value: true}, {Key: "created", Value: bson.D{{Key: "$lt", Value: table.Micros(before)}}}},
		options.Find().SetLimit(int64(n)).SetProjection(bson.D{{Key: "body", Value: 0}, {Key: "content", Value: 0}}))
	if err != nil {
		return 0, err
	}
	swept := 0
	for _, d := range loose {
		gone, err := s.sweep(ctx, d)
		if err != nil {
			return swept, err
		}
		if gone {
			swept++
		}
	}
	return swept, nil
}

// sweep removes a loose child, or ties it to its record if the record has children.
func (s *Store) sweep(ctx context.Context, d document) (gone bool, err error) {
	one := bson.D{{Key: "_id", Value: d.Key}, {Key: "loose", Value: true}}
	var parent document
	err = s.records.FindOne(ctx, bson.D{{Key: "_id", Value: parentKey(d.Tenant, d.Parent)}}).Decode(&parent)
	switch err = readFault("mongostore.sweep", err); {
	case err == nil && parent.Children > 0:
		_, err = s.records.UpdateOne(ctx, one, bson.D{{Key: "$set", Value: bson.D{{Key: "loose", Value: false}}}})
		return false, writeFault("mongostore.sweep", err)
	case err != nil && !fault.Is(err, fault.NotFound):
		return false, err
	}
	res, err := s.records.DeleteOne(ctx, one)
	if err != nil {
		return false, writeFault("mongostore.sweep", err)
	}
	return res.DeletedCount > 0, nil
}
