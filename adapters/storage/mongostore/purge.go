package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/adapters/storage/table"
	"patchbay/ports"
)

// oldest returns options that read the oldest documents first.
func oldest(n int) *options.FindOptions {
	return options.Find().SetSort(bson.D{{Key: "created", Value: 1}}).SetLimit(int64(n))
}

// sum calls each with documents, unless they could not be read, until it fails. It returns the sum
// of what each has returned.
func sum[D any](docs []D, err error, each func(D) (int64, error)) (int, error) {
	if err != nil {
		return 0, err
	}
	total := 0
	for _, d := range docs {
		n, err := each(d)
		total += int(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func deleteOne(ctx context.Context, in *mongo.Collection, op string, filter bson.D) (deleted int64, err error) {
	res, err := in.DeleteOne(ctx, filter)
	if err != nil {
		return 0, writeFault(op, err)
	}
	return res.DeletedCount, nil
}

// Purge implements ports.Maintenance. A record that has changed meanwhile stays, and its
// children with it. The children become unattached before the record is removed, and Sweep
// completes an interrupted Purge.
func (s *Store) Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error) {
	old, err := all[document](ctx, s.records, "mongostore.purge", bson.D{
		{Key: "kind", Value: kind},
		{Key: "tenant", Value: tenant},
		{Key: "created", Value: bson.D{{Key: "$lt", Value: table.Micros(before)}}},
		{Key: "queue", Value: ""},
		{Key: "tell", Value: false},
	}, oldest(n).SetProjection(bson.D{{Key: "_id", Value: 1}, {Key: "id", Value: 1}, {Key: "rev", Value: 1}, {Key: "children", Value: 1}}))
	return sum(old, err, func(d document) (int64, error) {
		return s.purge(ctx, ports.Record{Tenant: tenant, Kind: kind, ID: d.ID, Rev: d.Rev}, d.Children > 0)
	})
}

// purge removes a record if it has not changed since it was read, and then its children.
func (s *Store) purge(ctx context.Context, r ports.Record, parent bool) (removed int64, err error) {
	if parent {
		if err := s.markUnattached(ctx, &r); err != nil {
			return 0, err
		}
	}
	removed, err = deleteOne(ctx, s.records, "mongostore.purge", bson.D{{Key: "_id", Value: ports.RecordKey(r.Kind, r.Tenant, r.ID)}, {Key: "rev", Value: r.Rev}})
	if parent && removed > 0 {
		_, err = s.records.DeleteMany(ctx, childrenOf(&r))
		err = writeFault("mongostore.purge", err)
	}
	return removed, err
}

// Purge implements table.UserTable.
func (t userTable) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	old, err := all[userDocument](ctx, t.userDocs, "mongostore.purge", bson.D{
		{Key: "trace", Value: true}, {Key: "created", Value: bson.D{{Key: "$lt", Value: table.Micros(before)}}}, {Key: "tell", Value: false},
	}, oldest(n))
	return sum(old, err, func(d userDocument) (int64, error) { return t.purge(ctx, d) })
}

// purge removes what is left of a deleted user, or gives up the key of another one.
func (t userTable) purge(ctx context.Context, d userDocument) (int64, error) {
	unchanged := bson.D{{Key: "_id", Value: d.Key}, {Key: "rev", Value: d.Rev}}
	if d.Deleted {
		return deleteOne(ctx, t.userDocs, "mongostore.purge", unchanged)
	}
	res, err := t.userDocs.UpdateOne(ctx, unchanged, bson.D{{Key: "$set", Value: bson.D{
		{Key: "idem", Value: noValue + d.Key}, {Key: "fingerprint", Value: ""}, {Key: "original", Value: nil}, {Key: "trace", Value: false},
	}}})
	if err != nil {
		return 0, writeFault("mongostore.purge", err)
	}
	return res.MatchedCount, nil
}
