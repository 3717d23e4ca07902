package mongostore

import (
	"bytes"
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// Attach implements ports.Journal. A child is loose until its record exists. If the process
// ends in between, Sweep removes the loose children.
func (j journal) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	if err := record.Attachable(parent, children); err != nil {
		return err
	}
	for _, c := range children {
		c.Parent = parent.Name()
		if err := j.putLoose(ctx, c); err != nil {
			return err
		}
	}
	if err := j.save(ctx, parent, new(len(children))); err != nil {
		return err
	}
	if err := j.fasten(ctx, parent, children); err != nil {
		return err
	}
	for _, c := range children {
		c.Rev = 1
	}
	return nil
}

// putLoose inserts a child. A child of the same record with the same body, left by an
// earlier process, is accepted.
func (j journal) putLoose(ctx context.Context, c *ports.Record) error {
	d := inserted(c)
	d.Loose = true
	_, err := j.records.InsertOne(ctx, d)
	if !mongo.IsDuplicateKeyError(err) {
		return writeFault("mongostore.attach", err)
	}
	there, err := j.Get(ctx, c.Tenant, c.Kind, c.ID)
	if err != nil {
		return err
	}
	if there.Parent != c.Parent || !bytes.Equal(there.Body, c.Body) {
		return errRecordConflict
	}
	return nil
}

// fasten ties children to their record, which exists. If the record was written so late
// that some children were swept, they are inserted again.
func (j journal) fasten(ctx context.Context, parent *ports.Record, children []*ports.Record) error {
	res, err := j.records.UpdateMany(ctx, childrenOf(parent), bson.D{{Key: "$set", Value: bson.D{{Key: "loose", Value: false}}}})
	if err != nil {
		return writeFault("mongostore.attach", err)
	}
	if res.MatchedCount == int64(len(children)) {
		return nil
	}
	for _, c := range children {
		if _, err := j.records.InsertOne(ctx, inserted(c)); err != nil && !mongo.IsDuplicateKeyError(err) {
			return writeFault("mongostore.attach", err)
		}
	}
	return nil
}

func childrenOf(parent *ports.Record) bson.D {
	return bson.D{{Key: "tenant", Value: parent.Tenant}, {Key: "parent", Value: parent.Name()}}
}

// Detach implements ports.Journal. The children become loose before their record is saved
// without them. Sweep completes a Detach that was interrupted.
func (j journal) Detach(ctx context.Context, parent *ports.Record) error {
	if err := j.loosen(ctx, parent); err != nil {
		return err
	}
	if err := j.save(ctx, parent, new(0)); err != nil {
		return err
	}
	_, err := j.records.DeleteMany(ctx, childrenOf(parent))
	if err != nil {
		return nil //nolint:nilerr // the record is saved; Sweep removes them
	}
	return nil
}

// loosen lets Sweep check the children of a record that is about to be saved without them.
func (j journal) loosen(ctx context.Context, parent *ports.Record) error {
	_, err := j.records.UpdateMany(ctx, childrenOf(parent), bson.D{{Key: "$set", Value: bson.D{{Key: "loose", Value: true}}}})
	return readFault("mongostore.loosen", err) // an unknown outcome does no harm here
}

// Sweep implements ports.Journal.
func (j journal) Sweep(ctx context.Context, before time.Time, n int) (int, error) {
	loose, err := all[document](ctx, j.records, "mongostore.sweep", bson.D{{Key: "loose", Value: true}, {Key: "created", Value: bson.D{{Key: "$lt", Value: micros(before)}}}},
		options.Find().SetLimit(int64(n)).SetProjection(bson.D{{Key: "body", Value: 0}, {Key: "content", Value: 0}}))
	if err != nil {
		return 0, err
	}
	swept := 0
	for _, d := range loose {
		gone, err := j.sweep(ctx, d)
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
func (j journal) sweep(ctx context.Context, d document) (gone bool, err error) {
	one := bson.D{{Key: "_id", Value: d.Key}, {Key: "loose", Value: true}}
	var parent document
	err = j.records.FindOne(ctx, bson.D{{Key: "_id", Value: parentKey(d.Tenant, d.Parent)}}).Decode(&parent)
	switch err = readFault("mongostore.sweep", err); {
	case err == nil && parent.Children > 0:
		_, err = j.records.UpdateOne(ctx, one, bson.D{{Key: "$set", Value: bson.D{{Key: "loose", Value: false}}}})
		return false, writeFault("mongostore.sweep", err)
	case err != nil && !fault.Is(err, fault.NotFound):
		return false, err
	}
	res, err := j.records.DeleteOne(ctx, one)
	if err != nil {
		return false, writeFault("mongostore.sweep", err)
	}
	return res.DeletedCount > 0, nil
}
