package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/core/user"
	"patchbay/ports"
)

// List implements ports.Records.
func (s *Store) List(ctx context.Context, tenant, kind string, f ports.Filter, after string, limit int) (ports.RecordPage, error) {
	c, err := ports.ParseCursor(after)
	if err != nil {
		return ports.RecordPage{}, err
	}
	find := newestFirst(limit).SetProjection(bson.D{{Key: "content", Value: 0}})
	all, more, err := paged(ctx, s.records, "mongostore.list", listed(tenant, kind, f, c), find, func(d document) (ports.Record, int, error) {
		r := d.record()
		return r, r.Size(), nil
	})
	if err != nil {
		return ports.RecordPage{}, err
	}
	return ports.PageOfRecords(all, more), nil
}

func listed(tenant, kind string, f ports.Filter, c ports.Cursor) bson.D {
	filter := bson.D{{Key: "kind", Value: kind}, {Key: "tenant", Value: tenant}, before(c)}
	if f.Status != "" {
		filter = append(filter, bson.E{Key: "status", Value: f.Status})
	}
	if f.Customer != "" {
		filter = append(filter, bson.E{Key: "customer", Value: f.Customer})
	}
	return filter
}

// List implements table.UserTable.
func (p people) List(ctx context.Context, tenant, after string, limit int) (user.Page, error) {
	c, err := ports.ParseCursor(after)
	if err != nil {
		return user.Page{}, err
	}
	filter := bson.D{{Key: "tenant", Value: tenant}, {Key: "deleted", Value: false}, before(c)}
	all, more, err := paged(ctx, p.people, "mongostore.users", filter, newestFirst(limit), func(p person) (user.User, int, error) {
		one, err := p.user()
		return one, one.Size(), err
	})
	if err != nil {
		return user.Page{}, err
	}
	return ports.PageOfUsers(all, more), nil
}

// before selects the documents after the cursor in a list ordered newest first.
func before(c ports.Cursor) bson.E {
	return bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: "created", Value: bson.D{{Key: "$lt", Value: c.Created}}}},
		bson.D{{Key: "created", Value: c.Created}, {Key: "id", Value: bson.D{{Key: "$lt", Value: c.ID}}}},
	}}
}

// newestFirst requests one entry more than the limit, which tells whether more follow.
func newestFirst(limit int) *options.FindOptions {
	return options.Find().SetSort(bson.D{{Key: "created", Value: -1}, {Key: "id", Value: -1}}).SetLimit(int64(max(limit, 1)) + 1)
}

// paged reads one page, one entry at a time, and nothing beyond its end. entry returns an
// entry and its size in bytes.
func paged[D, E any](ctx context.Context, from *mongo.Collection, op string, filter bson.D, o *options.FindOptions, entry func(D) (E, int, error)) (all []E, more bool, err error) {
	found, err := from.Find(ctx, filter, o)
	if err != nil {
		return nil, false, readFault(op, err)
	}
	defer found.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read to the end, or far enough
	for pager := ports.NewPager(int(*o.Limit) - 1); !more && found.Next(ctx); {
		var d D
		if err := found.Decode(&d); err != nil {
			return nil, false, readFault(op, err)
		}
		one, bytes, err := entry(d)
		if err != nil {
			return nil, false, err
		}
		if more = !pager.Take(bytes); !more {
			all = append(all, one)
		}
	}
	return all, more, readFault(op, found.Err())
}
