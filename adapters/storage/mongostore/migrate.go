package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/core/fault"
)

// version is of what the documents hold and how they are found. A store that was
// used by a newer one is not opened.
const version = 4

// index is an index of a collection. Unique ones are over one scalar field each:
// real servers and their look-alikes treat others differently.
type index struct {
	keys   bson.D
	unique bool
}

func by(fields ...string) index {
	var keys bson.D
	for _, field := range fields {
		name, down := strings.CutPrefix(field, "-")
		order := 1
		if down {
			order = -1
		}
		keys = append(keys, bson.E{Key: name, Value: order})
	}
	return index{keys: keys}
}

func once(field string) index { return index{keys: by(field).keys, unique: true} }

// name is the one that a server gives it.
func (i index) name() string {
	parts := make([]string, len(i.keys))
	for n, k := range i.keys {
		parts[n] = fmt.Sprintf("%s_%d", k.Key, k.Value)
	}
	return strings.Join(parts, "_")
}

// migrate makes the indexes that are not there, unless this version has done so.
// Several processes may be at it. Where the store must exist, some version has made it.
func (s *Store) migrate(ctx context.Context, db *mongo.Database, existing bool) error {
	prefix, found, err := named(ctx, db)
	if err != nil {
		return err
	}
	s.records, s.people = db.Collection(prefix+"record"), db.Collection(prefix+"user")
	s.feed, s.ping = db.Collection(prefix+"feed"), db.Collection(prefix+"ping")
	meta := db.Collection(prefix + "meta")
	switch {
	case existing && found == 0:
		return fault.New(fault.NotFound, "no_store", "there is no store")
	case found > version:
		return fault.New(fault.Invalid, "store_newer", fmt.Sprintf("the database was used by a newer version: it is at %d, this one knows %d", found, version))
	case found == version:
		return nil
	}
	for _, of := range []struct {
		collection *mongo.Collection
		indexes    []index
	}{
		{s.records, []index{once("idem"), once("ref"), by("queue", "due"), by("tell"), by("kind", "tenant", "-created", "-id"), by("tenant", "parent"), by("loose", "created"), by("flag", "flagged")}},
		{s.people, []index{once("email"), once("idem"), by("tell"), by("tenant", "-created", "-id"), by("trace", "created")}},
		{s.feed, []index{once("event"), by("tenant", "_id")}},
	} {
		if err := ensure(ctx, of.collection, of.indexes); err != nil {
			return err
		}
	}
	if found == 1 {
		if err := s.mark(ctx); err != nil {
			return err
		}
	}
	_, err = meta.UpdateOne(ctx, bson.D{{Key: "_id", Value: "store"}}, bson.D{{Key: "$max", Value: bson.D{{Key: "version", Value: version}}}},
		options.Update().SetUpsert(true))
	return writeFault("mongostore.migrate", err)
}

// own begins the names of our collections: a program beside us may have a user, too.
const own = "patchbay_"

// named is what the names of the collections begin with, and the version that has made
// them; 0 for none. Those of an earlier version began with nothing, and keep their names:
// a gateway of it that still runs would make them anew, without an index.
func named(ctx context.Context, db *mongo.Database) (prefix string, found int, err error) {
	for _, prefix := range []string{own, ""} {
		var store struct {
			Version int `bson:"version"`
		}
		err := db.Collection(prefix+"meta").FindOne(ctx, bson.D{{Key: "_id", Value: "store"}, {Key: "version", Value: bson.D{{Key: "$gte", Value: 1}}}}).Decode(&store)
		if err == nil {
			return prefix, store.Version, nil
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return "", 0, readFault("mongostore.migrate", err)
		}
	}
	return own, 0, nil
}

// mark gives users of version 1 what Purge finds them by.
func (s *Store) mark(ctx context.Context) error {
	_, err := s.people.UpdateMany(ctx, bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "deleted", Value: true}},
		bson.D{{Key: "idem", Value: bson.D{{Key: "$gte", Value: taken}, {Key: "$lt", Value: taken[:1] + "}"}}}}, // all that begin with it
	}}}, bson.D{{Key: "$set", Value: bson.D{{Key: "trace", Value: true}}}})
	return writeFault("mongostore.migrate", err)
}

// ensure makes indexes that are not there: FerretDB ends the connection of whoever
// makes one that is.
func ensure(ctx context.Context, c *mongo.Collection, indexes []index) error {
	there, err := c.Indexes().ListSpecifications(ctx)
	if err != nil {
		return readFault("mongostore.migrate", err)
	}
	for _, i := range indexes {
		if slices.ContainsFunc(there, func(one *mongo.IndexSpecification) bool { return one.Name == i.name() }) {
			continue
		}
		if _, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: i.keys, Options: options.Index().SetUnique(i.unique)}); err != nil {
			return writeFault("mongostore.migrate", err)
		}
	}
	return nil
}
