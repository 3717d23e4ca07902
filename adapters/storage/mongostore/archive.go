package mongostore

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/ports"
)

var _ ports.Archive = (*Store)(nil)

// archiveTimeout is the timeout of one call. It is long because a call moves much data, and
// no client waits for it.
const archiveTimeout = 30 * time.Second

// shelf defines how a section is stored.
type shelf struct {
	of *mongo.Collection
	id func(key string) any
	// read reads an entry. For a loose child it also returns the key of its record.
	read  func(c *mongo.Cursor) (e ports.Entry, looseOf string, err error)
	write func(e ports.Entry) (any, error)
}

func (s *Store) shelf(section ports.Section) shelf {
	same := func(key string) any { return key }
	switch section {
	case ports.RecordSection:
		return shelf{s.records, same, readDocument, makeDocument}
	case ports.UserSection:
		return shelf{s.people, same, readPerson, makePerson}
	case ports.FeedSection:
	}
	return shelf{s.feed, func(key string) any { return ports.ParseFeedKey(key) }, readEntry, makeEntry}
}

// Scan implements ports.Archive. It omits children whose record does not exist.
func (s *Store) Scan(ctx context.Context, section ports.Section, after string, limit int) (page []ports.Entry, next string, err error) {
	in := s.shelf(section)
	size := 0
	loose, err := s.archived(ctx, in, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: in.id(after)}}}}, int64(limit), func(e ports.Entry) bool {
		page, next = append(page, e), e.Key()
		if e.Record != nil {
			size += e.Record.Size()
		}
		return size < ports.ArchivePage
	})
	if err != nil {
		return nil, "", err
	}
	return slices.DeleteFunc(page, func(e ports.Entry) bool { return loose[e.Key()] != "" }), next, nil
}

// Digests implements ports.Archive.
func (s *Store) Digests(ctx context.Context, section ports.Section, keys ...string) (map[string]ports.Digest, error) {
	in := s.shelf(section)
	digests := make(map[string]ports.Digest, len(keys))
	loose, err := s.archived(ctx, in, in.among(keys), 0, func(e ports.Entry) bool {
		digests[e.Key()] = e.Digest()
		return true
	})
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(digests, func(key string, _ ports.Digest) bool { return loose[key] != "" })
	return digests, nil
}

// archived passes the entries that a filter selects to each until that returns false: all of them,
// or up to a limit in the order of their keys. It returns the keys of those that are children
// without a record.
func (s *Store) archived(ctx context.Context, in shelf, filter bson.D, limit int64, each func(ports.Entry) bool) (orphans map[string]string, err error) {
	const op = "mongostore.scan"
	ctx, cancel := context.WithTimeout(ctx, archiveTimeout)
	defer cancel()
	o := options.Find()
	if limit > 0 {
		o.SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(limit)
	}
	found, err := in.of.Find(ctx, filter, o)
	if err != nil {
		return nil, readFault(op, err)
	}
	defer found.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read to the end, or far enough
	loose := map[string]string{}                  // maps keys of children to those of their records
	for more := true; more && found.Next(ctx); {
		e, parent, err := in.read(found)
		if err != nil {
			return nil, err
		}
		if parent != "" {
			loose[e.Key()] = parent
		}
		more = each(e)
	}
	if err := found.Err(); err != nil {
		return nil, readFault(op, err)
	}
	return loose, s.orphans(ctx, loose)
}

func (s shelf) among(keys []string) bson.D {
	if len(keys) == 1 { // FerretDB finds a single id quickly, but several only by reading all documents
		return bson.D{{Key: "_id", Value: s.id(keys[0])}}
	}
	ids := make(bson.A, len(keys))
	for i, key := range keys {
		ids[i] = s.id(key)
	}
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}
}

// orphans reduces loose to the children whose record does not exist, by the same rule as
// Sweep.
func (s *Store) orphans(ctx context.Context, loose map[string]string) error {
	if len(loose) == 0 {
		return nil
	}
	parents, err := all[document](ctx, s.records, "mongostore.scan", append(s.shelf(ports.RecordSection).among(slices.Collect(maps.Values(loose))),
		bson.E{Key: "children", Value: bson.D{{Key: "$gt", Value: 0}}}), options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, p := range parents {
		there[p.Key] = true
	}
	maps.DeleteFunc(loose, func(_, parent string) bool { return there[parent] })
	return nil
}

// Put implements ports.Archive.
func (s *Store) Put(ctx context.Context, section ports.Section, entries ...ports.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, archiveTimeout)
	defer cancel()
	in := s.shelf(section)
	docs := make([]any, len(entries))
	for i, e := range entries {
		var err error
		if docs[i], err = in.write(e); err != nil {
			return err
		}
	}
	if section == ports.RecordSection {
		if err := s.tie(ctx, docs); err != nil {
			return err
		}
	}
	_, err := in.of.InsertMany(ctx, docs)
	return writeFault("mongostore.put", err)
}

// tie records that records have children before the children are inserted: children in the
// same call, existing ones, and new children of existing records.
func (s *Store) tie(ctx context.Context, docs []any) error {
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
		_, err := s.records.UpdateMany(ctx, s.shelf(ports.RecordSection).among(slices.Collect(maps.Keys(parents))),
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
	ctx, cancel := context.WithTimeout(ctx, archiveTimeout)
	defer cancel()
	in := s.shelf(section)
	_, err := in.of.DeleteMany(ctx, in.among(keys))
	return writeFault("mongostore.remove", err)
}

func readDocument(c *mongo.Cursor) (ports.Entry, string, error) {
	var d document
	if err := c.Decode(&d); err != nil {
		return ports.Entry{}, "", fault.Wrap(fault.Internal, "mongostore.scan", err)
	}
	r := d.record()
	if d.Loose {
		return ports.Entry{Record: &r}, parentKey(d.Tenant, d.Parent), nil
	}
	return ports.Entry{Record: &r}, "", nil
}

func makeDocument(e ports.Entry) (any, error) {
	d := inserted(e.Record)
	d.Rev = e.Record.Rev
	return &d, nil
}

func readPerson(c *mongo.Cursor) (ports.Entry, string, error) {
	var p person
	if err := c.Decode(&p); err != nil {
		return ports.Entry{}, "", fault.Wrap(fault.Internal, "mongostore.scan", err)
	}
	u, err := p.stored()
	return ports.Entry{User: &u}, "", err
}

func makePerson(e ports.Entry) (any, error) {
	u := e.User
	p, err := newPerson(u.User, u.Key)
	if err != nil {
		return nil, err
	}
	p.Told = map[string][]told{}
	if u.Deleted {
		p.Email, p.Metadata, p.Deleted, p.Trace = noTenant+p.Key, nil, true, true
	}
	if u.Original != nil {
		if p.Original, err = json.Marshal(u.Original); err != nil {
			return nil, fault.Wrap(fault.Invalid, "mongostore.user", err)
		}
	}
	return p, nil
}

func readEntry(c *mongo.Cursor) (ports.Entry, string, error) {
	var n entry
	if err := c.Decode(&n); err != nil {
		return ports.Entry{}, "", fault.Wrap(fault.Internal, "mongostore.scan", err)
	}
	v := n.event()
	return ports.Entry{Event: &v}, "", nil
}

func makeEntry(e ports.Entry) (any, error) {
	v := e.Event
	return entry{v.Seq, v.ID, v.Tenant, v.Type, v.Subject, table.Micros(v.At), v.Data}, nil
}
