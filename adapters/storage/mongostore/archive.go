package mongostore

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/ports"
)

// archived defines how a section is stored.
type archived struct {
	in *mongo.Collection
	id func(key string) any
	// read reads an entry. For an unattached child it also returns the key of its record.
	read  func(c *mongo.Cursor) (e ports.Entry, parent string, err error)
	write func(e ports.Entry) (any, error)
}

func (s *Store) section(section ports.Section) archived {
	same := func(key string) any { return key }
	switch section {
	case ports.RecordSection:
		return archived{s.records, same, decoding(document.entry), encodeRecord}
	case ports.UserSection:
		return archived{s.userDocs, same, decoding(userDocument.entry), encodeUser}
	case ports.FeedSection:
	}
	return archived{s.feed, func(key string) any { return ports.ParseFeedKey(key) }, decoding(feedEntry.entry), encodeEvent}
}

// decoding returns how an entry is read from a document.
func decoding[D any](entry func(D) (e ports.Entry, parent string, err error)) func(*mongo.Cursor) (ports.Entry, string, error) {
	return func(c *mongo.Cursor) (ports.Entry, string, error) {
		var d D
		if err := c.Decode(&d); err != nil {
			return ports.Entry{}, "", fault.Wrap(fault.Internal, "mongostore.scan", err)
		}
		return entry(d)
	}
}

// Scan implements ports.Archive. It omits children whose record does not exist.
func (s *Store) Scan(ctx context.Context, section ports.Section, after string, limit int) (page []ports.Entry, next string, err error) {
	in := s.section(section)
	size := 0
	orphans, err := s.entries(ctx, in, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: in.id(after)}}}}, int64(limit), func(e ports.Entry) bool {
		page, next = append(page, e), e.Key()
		if e.Record != nil {
			size += e.Record.Size()
		}
		return size < ports.ArchivePage
	})
	if err != nil {
		return nil, "", err
	}
	return slices.DeleteFunc(page, func(e ports.Entry) bool { return orphans[e.Key()] != "" }), next, nil
}

// Digests implements ports.Archive.
func (s *Store) Digests(ctx context.Context, section ports.Section, keys ...string) (map[string]ports.Digest, error) {
	in := s.section(section)
	digests := make(map[string]ports.Digest, len(keys))
	orphans, err := s.entries(ctx, in, in.among(keys), 0, func(e ports.Entry) bool {
		digests[e.Key()] = e.Digest()
		return true
	})
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(digests, func(key string, _ ports.Digest) bool { return orphans[key] != "" })
	return digests, nil
}

// entries passes the entries that a filter selects to each until that returns false: all of them,
// or up to a limit in the order of their keys. It returns the keys of those that are children
// without a record.
func (s *Store) entries(ctx context.Context, in archived, filter bson.D, limit int64, each func(ports.Entry) bool) (orphans map[string]string, err error) {
	const op = "mongostore.scan"
	ctx, cancel := context.WithTimeout(ctx, table.ArchiveTimeout)
	defer cancel()
	o := options.Find()
	if limit > 0 {
		o.SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(limit)
	}
	found, err := in.in.Find(ctx, filter, o)
	if err != nil {
		return nil, readFault(op, err)
	}
	defer found.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read to the end, or far enough
	unattached := map[string]string{}             // maps keys of children to those of their records
	for more := true; more && found.Next(ctx); {
		e, parent, err := in.read(found)
		if err != nil {
			return nil, err
		}
		if parent != "" {
			unattached[e.Key()] = parent
		}
		more = each(e)
	}
	if err := found.Err(); err != nil {
		return nil, readFault(op, err)
	}
	return unattached, s.keepOrphans(ctx, unattached)
}

func (a archived) among(keys []string) bson.D {
	if len(keys) == 1 { // FerretDB finds a single id quickly, but several only by reading all documents
		return bson.D{{Key: "_id", Value: a.id(keys[0])}}
	}
	ids := make(bson.A, len(keys))
	for i, key := range keys {
		ids[i] = a.id(key)
	}
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}
}

// keepOrphans reduces unattached to the children whose record does not exist, by the same rule as
// Sweep.
func (s *Store) keepOrphans(ctx context.Context, unattached map[string]string) error {
	if len(unattached) == 0 {
		return nil
	}
	parents, err := all[document](ctx, s.records, "mongostore.scan", append(s.section(ports.RecordSection).among(slices.Collect(maps.Values(unattached))),
		bson.E{Key: "children", Value: bson.D{{Key: "$gt", Value: 0}}}), options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return err
	}
	exists := map[string]bool{}
	for _, p := range parents {
		exists[p.Key] = true
	}
	maps.DeleteFunc(unattached, func(_, parent string) bool { return exists[parent] })
	return nil
}

// Put implements ports.Archive.
func (s *Store) Put(ctx context.Context, section ports.Section, entries ...ports.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, table.ArchiveTimeout)
	defer cancel()
	in := s.section(section)
	docs := make([]any, len(entries))
	for i, e := range entries {
		var err error
		if docs[i], err = in.write(e); err != nil {
			return err
		}
	}
	if section == ports.RecordSection {
		if err := s.countChildren(ctx, docs); err != nil {
			return err
		}
	}
	_, err := in.in.InsertMany(ctx, docs)
	return writeFault("mongostore.put", err)
}

// countChildren records that records have children before the children are inserted: children in the
// same call, existing ones, and new children of existing records.
func (s *Store) countChildren(ctx context.Context, docs []any) error {
	names, tenants := make(bson.A, 0, len(docs)), make(bson.A, 0, len(docs))
	parents := map[string]bool{} // keys of records that have children
	for _, one := range docs {
		d := one.(*document)
		names, tenants = append(names, d.Kind+"|"+d.ID), append(tenants, d.Tenant)
		if d.Parent != "" {
			parents[parentKey(d.Tenant, d.Parent)] = true
		}
	}
	if len(parents) > 0 {
		_, err := s.records.UpdateMany(ctx, s.section(ports.RecordSection).among(slices.Collect(maps.Keys(parents))),
			bson.D{{Key: "$max", Value: bson.D{{Key: "children", Value: 1}}}})
		if err != nil {
			return writeFault("mongostore.put", err)
		}
	}
	children, err := all[document](ctx, s.records, "mongostore.put", bson.D{
		{Key: "tenant", Value: bson.D{{Key: "$in", Value: tenants}}}, {Key: "parent", Value: bson.D{{Key: "$in", Value: names}}},
	}, options.Find().SetProjection(bson.D{{Key: "tenant", Value: 1}, {Key: "parent", Value: 1}}))
	if err != nil {
		return err
	}
	for _, c := range children {
		parents[parentKey(c.Tenant, c.Parent)] = true
	}
	for _, one := range docs {
		if d := one.(*document); parents[d.Key] {
			d.Children = 1
		}
	}
	return nil
}

// Remove implements ports.Archive.
func (s *Store) Remove(ctx context.Context, section ports.Section, keys ...string) error {
	ctx, cancel := context.WithTimeout(ctx, table.ArchiveTimeout)
	defer cancel()
	in := s.section(section)
	_, err := in.in.DeleteMany(ctx, in.among(keys))
	return writeFault("mongostore.remove", err)
}

func (d document) entry() (ports.Entry, string, error) {
	r := d.record()
	r.Terms = d.Terms
	if d.Unattached {
		return ports.Entry{Record: &r}, parentKey(d.Tenant, d.Parent), nil
	}
	return ports.Entry{Record: &r}, "", nil
}

func encodeRecord(e ports.Entry) (any, error) {
	d := inserted(e.Record)
	d.Rev = e.Record.Rev
	return &d, nil
}

func (d userDocument) entry() (ports.Entry, string, error) {
	u, err := d.stored()
	return ports.Entry{User: &u}, "", err
}

func encodeUser(e ports.Entry) (any, error) {
	u := e.User
	d, err := newUserDocument(u.User, u.Key)
	if err != nil {
		return nil, err
	}
	d.Pending = map[string][]pendingEvent{}
	if u.Deleted {
		d.Email, d.Metadata, d.Deleted, d.Purgeable = noValue+d.Key, nil, true, true
	}
	if u.Original != nil {
		if d.Original, err = json.Marshal(u.Original); err != nil {
			return nil, fault.Wrap(fault.Invalid, "mongostore.user", err)
		}
	}
	return d, nil
}

func (e feedEntry) entry() (ports.Entry, string, error) {
	published := e.event()
	return ports.Entry{Event: &published}, "", nil
}

func encodeEvent(e ports.Entry) (any, error) {
	v := e.Event
	return feedEntry{v.Seq, v.ID, v.Tenant, v.Type, v.Subject, table.Micros(v.At), v.Data}, nil
}
