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
func (s *Store) List(ctx context.Context, tenant, kind string, f ports.Filter, cursor string, limit int) (ports.RecordPage, error) {
	from, after, err := f.Range(cursor)
	if err != nil {
		return ports.RecordPage{}, err
	}
	filter := bson.D{{Key: "kind", Value: kind}, {Key: "tenant", Value: tenant}}
	if f.Status != "" {
		filter = append(filter, bson.E{Key: "status", Value: f.Status})
	}
	if f.Customer != "" {
		filter = append(filter, bson.E{Key: "customer", Value: f.Customer})
	}
	if len(f.Terms) > 0 {
		filter = append(filter, bson.E{Key: "terms", Value: bson.D{{Key: "$all", Value: f.Terms}}})
	}
	if !f.From.IsZero() {
		filter = append(filter, bson.E{Key: "created", Value: bson.D{{Key: "$gte", Value: from}}})
	}
	only := options.Find().SetProjection(bson.D{{Key: "content", Value: 0}, {Key: "terms", Value: 0}})
	all, more, err := page(ctx, s.records, "mongostore.list", filter, after, limit, only, func(d document) (ports.Record, int, error) {
		r := d.record()
		return r, r.Size(), nil
	})
	return ports.PageOfRecords(all, more, err)
}

// List implements table.UserTable.
func (t userTable) List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error) {
	after, err := ports.ParseCursor(cursor)
	if err != nil {
		return user.Page{}, err
	}
	filter := bson.D{{Key: "tenant", Value: tenant}, {Key: "deleted", Value: false}}
	all, more, err := page(ctx, t.userDocs, "mongostore.users", filter, after, limit, options.Find(), func(d userDocument) (user.User, int, error) {
		u, err := d.user()
		return u, u.Size(), err
	})
	return ports.PageOfUsers(all, more, err)
}

// before selects the documents after the cursor in a list ordered newest first.
func before(c ports.Cursor) bson.E {
	return bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: "created", Value: bson.D{{Key: "$lt", Value: c.Created}}}},
		bson.D{{Key: "created", Value: c.Created}, {Key: "id", Value: bson.D{{Key: "$lt", Value: c.ID}}}},
	}}
}

// page reads one page of the documents that a filter selects after a position, newest first: one
// entry at a time, and nothing beyond its end. entry returns an entry and its size in bytes. more
// reports whether the list continues: one entry more than the limit is requested to find that out.
func page[D, E any](ctx context.Context, in *mongo.Collection, op string, filter bson.D, after ports.Cursor, limit int, o *options.FindOptions, entry func(D) (E, int, error)) (all []E, more bool, err error) {
	o.SetSort(bson.D{{Key: "created", Value: -1}, {Key: "id", Value: -1}}).SetLimit(int64(max(limit, 1)) + 1)
	found, err := in.Find(ctx, append(filter, before(after)), o)
	if err != nil {
		return nil, false, readFault(op, err)
	}
	defer found.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read to the end, or far enough
	for pager := ports.NewPager(limit); !more && found.Next(ctx); {
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
