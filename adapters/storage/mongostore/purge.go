package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/adapters/storage/table"
	"patchbay/ports"
)

// oldest returns options that read the oldest documents first.
func oldest(n int) *options.FindOptions {
	return options.Find().SetSort(bson.D{{Key: "created", Value: 1}}).SetLimit(int64(n))
}

// Purge implements ports.Maintenance. A record that has changed meanwhile stays, and its
// children with it. The children become loose before the record is removed, and Sweep
// completes an interrupted Purge.
func (s *Store) Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error) {
	old, err := all[document](ctx, s.records, "mongostore.purge", bson.D{
		{Key: "kind", Value: kind},
		{Key: "tenant", Value: tenant},
		{Key: "created", Value: bson.D{{Key: "$lt", Value: table.Micros(before)}}},
		{Key: "queue", Value: ""},
		{Key: "tell", Value: false},
	}, oldest(n).SetProjection(bson.D{{Key: "_id", Value: 1}, {Key: "id", Value: 1}, {Key: "rev", Value: 1}, {Key: "children", Value: 1}}))
	if err != nil {
		return 0, err
	}
	purged := 0
	for _, d := range old {
		gone, err := s.purge(ctx, ports.Record{Tenant: tenant, Kind: kind, ID: d.ID, Rev: d.Rev}, d.Children > 0)
		if err != nil {
			return purged, err
		}
		purged += gone
	}
	return purged, nil
}

// purge removes a record if it has not changed since it was read, and then its children.
func (s *Store) purge(ctx context.Context, r ports.Record, parent bool) (gone int, err error) {
	if parent {
		if err := s.loosen(ctx, &r); err != nil {
			return 0, err
		}
	}
	res, err := s.records.DeleteOne(ctx, bson.D{{Key: "_id", Value: key(r.Tenant, r.Kind, r.ID)}, {Key: "rev", Value: r.Rev}})
	if err != nil || res.DeletedCount == 0 {
		return 0, writeFault("mongostore.purge", err)
	}
	if parent {
		if _, err := s.records.DeleteMany(ctx, childrenOf(&r)); err != nil {
			return 1, writeFault("mongostore.purge", err)
		}
	}
	return 1, nil
}

// Purge implements table.UserTable.
func (p people) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	old, err := all[person](ctx, p.people, "mongostore.purge", bson.D{
		{Key: "trace", Value: true}, {Key: "created", Value: bson.D{{Key: "$lt", Value: table.Micros(before)}}}, {Key: "tell", Value: false},
	}, oldest(n))
	if err != nil {
		return 0, err
	}
	purged := 0
	for _, one := range old {
		done, err := p.purge(ctx, one)
		if err != nil {
			return purged, writeFault("mongostore.purge", err)
		}
		purged += int(done)
	}
	return purged, nil
}

// purge removes what is left of a deleted user, or gives up the key of another one.
func (p people) purge(ctx context.Context, one person) (int64, error) {
	as := bson.D{{Key: "_id", Value: one.Key}, {Key: "rev", Value: one.Rev}}
	if one.Deleted {
		res, err := p.people.DeleteOne(ctx, as)
		if err != nil {
			return 0, err
		}
		return res.DeletedCount, nil
	}
	res, err := p.people.UpdateOne(ctx, as, bson.D{{Key: "$set", Value: bson.D{
		{Key: "idem", Value: noTenant + one.Key}, {Key: "fingerprint", Value: ""}, {Key: "original", Value: nil}, {Key: "trace", Value: false},
	}}})
	if err != nil {
		return 0, err
	}
	return res.MatchedCount, nil
}
