package mongostore

import (
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

// Save implements ports.Records.
func (s *Store) Save(ctx context.Context, records ...*ports.Record) []error {
	errs := make([]error, len(records))
	for i, r := range records {
		errs[i] = s.save(ctx, r, nil)
	}
	return errs
}

// save writes a record. children is the new number of its children, or nil if it does not
// change.
func (s *Store) save(ctx context.Context, r *ports.Record, children *int) error {
	if err := record.Storable(r); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Unavailable, "mongostore.save", err)
	}
	write := s.replace
	if r.Rev == 0 {
		write = s.create
	}
	if err := write(ctx, r, children); err != nil {
		return err
	}
	r.Rev++
	return nil
}

func (s *Store) create(ctx context.Context, r *ports.Record, children *int) error {
	d := inserted(r)
	if children != nil {
		d.Children = *children
	}
	_, err := s.records.InsertOne(ctx, d)
	return writeFault("mongostore.insert", err)
}

func (s *Store) replace(ctx context.Context, r *ports.Record, children *int) error {
	set := replaced(r)
	if children != nil {
		set["children"] = *children
	}
	res, err := s.records.UpdateOne(ctx, bson.D{{Key: "_id", Value: ports.RecordKey(r.Kind, r.Tenant, r.ID)}, {Key: "rev", Value: r.Rev}}, bson.M{"$set": set})
	switch {
	case isInternal(err) && taken(ctx, s.records, ports.RecordKey(r.Kind, r.Tenant, r.ID), bson.D{{Key: "idem", Value: set["idem"]}}, bson.D{{Key: "ref", Value: set["ref"]}}):
		return table.ErrRecordConflict
	case err != nil:
		return writeFault("mongostore.update", err)
	case res.MatchedCount == 0:
		return table.ErrRecordConflict
	}
	return nil
}

// taken reports whether a document other than own has one of the unique values. FerretDB reports
// that as an internal error for an update, but not for an insert.
func taken(ctx context.Context, in *mongo.Collection, own string, values ...any) bool {
	n, err := in.CountDocuments(ctx, bson.D{{Key: "$or", Value: bson.A(values)}, {Key: "_id", Value: bson.D{{Key: "$ne", Value: own}}}})
	return err == nil && n > 0
}

// Get implements ports.Records.
func (s *Store) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	return s.one(ctx, "_id", ports.RecordKey(kind, tenant, id))
}

// GetAll implements ports.Records.
func (s *Store) GetAll(ctx context.Context, tenant, kind string, ids ...string) (all []ports.Record, err error) {
	keys := make(bson.A, len(ids))
	for i, id := range ids {
		keys[i] = ports.RecordKey(kind, tenant, id)
	}
	found, err := s.records.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: keys}}}})
	if err != nil {
		return nil, readFault("mongostore.records", err)
	}
	defer found.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read to the end, or failed
	for found.Next(ctx) {
		var d document
		if err := found.Decode(&d); err != nil {
			return nil, readFault("mongostore.records", err)
		}
		all = append(all, d.record())
	}
	return all, readFault("mongostore.records", found.Err())
}

// Find implements ports.Records.
func (s *Store) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	return s.one(ctx, string(by), kind+"|"+value) // no record has the value kind|
}

func (s *Store) one(ctx context.Context, field, value string) (ports.Record, error) {
	var d document
	if err := s.records.FindOne(ctx, bson.D{{Key: field, Value: value}}).Decode(&d); err != nil {
		return ports.Record{}, readFault("mongostore.record", err)
	}
	return d.record(), nil
}

// Claim implements ports.Queue. Each claim is one atomic change of one document.
func (s *Store) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	now, err := s.now(ctx)
	if err != nil {
		return nil, readFault("mongostore.clock", err)
	}
	until := now + lease.Microseconds()
	var (
		due     = bson.D{{Key: "queue", Value: queue}, {Key: "due", Value: bson.D{{Key: "$lte", Value: now}}}}
		take    = bson.D{{Key: "$set", Value: bson.D{{Key: "owner", Value: owner}, {Key: "due", Value: until}}}, {Key: "$inc", Value: bson.D{{Key: "rev", Value: 1}}}}
		longest = options.FindOneAndUpdate().SetSort(bson.D{{Key: "due", Value: 1}}).SetReturnDocument(options.Before)
		claims  []ports.Claim
	)
	if len(except) > 0 {
		due = append(due, bson.E{Key: "tenant", Value: bson.D{{Key: "$nin", Value: except}}})
	}
	for len(claims) < n {
		var d document
		err := readFault("mongostore.claim", s.records.FindOneAndUpdate(ctx, due, take, longest).Decode(&d))
		if fault.Is(err, fault.NotFound) || err != nil && len(claims) > 0 {
			break // records already claimed must be processed; the error will occur again
		}
		if err != nil {
			return nil, err
		}
		c := ports.Claim{Record: d.record(), Expired: d.Owner != ""}
		c.Rev, c.Owner, c.Due = c.Rev+1, owner, table.Moment(until)
		claims = append(claims, c)
	}
	return claims, nil
}

// Count implements ports.Queue.
func (s *Store) Count(ctx context.Context, limit int, sets ...ports.Set) ([]ports.Count, error) {
	counts := make([]ports.Count, len(sets))
	for i, set := range sets {
		in, by := bson.D{{Key: "flag", Value: flag(set.Kind, set.Flag)}}, "flagged"
		if set.Queue != "" {
			in, by = bson.D{{Key: "queue", Value: set.Queue}}, "due"
		}
		n, err := s.records.CountDocuments(ctx, in, options.Count().SetLimit(int64(limit)))
		if err != nil {
			return nil, readFault("mongostore.count", err)
		}
		if counts[i].N = int(n); n == 0 {
			continue
		}
		var first document
		only := options.FindOne().SetSort(bson.D{{Key: by, Value: 1}}).SetProjection(bson.D{{Key: by, Value: 1}})
		err = readFault("mongostore.count", s.records.FindOne(ctx, in, only).Decode(&first))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		counts[i].First = table.Moment(max(first.Due, first.Flagged)) // only one of them was read
	}
	return counts, nil
}

// Ping implements ports.Maintenance by writing.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.ping.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}}},
		options.Update().SetUpsert(true))
	return readFault("mongostore.ping", err)
}
