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

	"patchbay/adapters/storage/table"
)

// version is the version of the documents and indexes, and first the lowest one that is opened. An
// older one lacks indexes only.
const (
	version = 5
	first   = 4
)

// index is an index of a collection. Each unique index is over one scalar field, because
// MongoDB and compatible servers differ in other cases.
type index struct {
	keys   bson.D
	unique bool
}

func on(fields ...string) index {
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

func uniqueOn(field string) index { return index{keys: on(field).keys, unique: true} }

// name returns the name that a server gives the index.
func (i index) name() string {
	parts := make([]string, len(i.keys))
	for n, k := range i.keys {
		parts[n] = fmt.Sprintf("%s_%d", k.Key, k.Value)
	}
	return strings.Join(parts, "_")
}

// migrate creates the indexes that a store lacks. Several processes may run it at once. A store of
// another version, which it cannot bring up to date, is refused, and, if the store must exist, a database without one.
func (s *Store) migrate(ctx context.Context, db *mongo.Database, existing bool) error {
	prefix, found, err := foundStore(ctx, db)
	if err != nil {
		return err
	}
	s.records, s.userDocs = db.Collection(prefix+"record"), db.Collection(prefix+"user")
	s.feed, s.ping = db.Collection(prefix+"feed"), db.Collection(prefix+"ping")
	meta := db.Collection(prefix + "meta")
	switch {
	case existing && found == 0:
		return table.ErrNoStore
	case found == version:
		return nil
	case found > version, found != 0 && found < first:
		return table.WrongVersion(int64(found), version)
	}
	for _, of := range []struct {
		collection *mongo.Collection
		indexes    []index
	}{
		{s.records, []index{uniqueOn("idem"), uniqueOn("ref"), on("queue", "due"), on("tell"), on("kind", "tenant", "-created", "-id"), on("kind", "tenant", "terms", "-created", "-id"), on("tenant", "parent"), on("loose", "created"), on("flag", "flagged")}},
		{s.userDocs, []index{uniqueOn("email"), uniqueOn("idem"), on("tell"), on("tenant", "-created", "-id"), on("trace", "created")}},
		{s.feed, []index{uniqueOn("event"), on("tenant", "_id")}},
	} {
		if err := ensureIndexes(ctx, of.collection, of.indexes); err != nil {
			return err
		}
	}
	_, err = meta.UpdateOne(ctx, bson.D{{Key: "_id", Value: "store"}}, bson.D{{Key: "$max", Value: bson.D{{Key: "version", Value: version}}}},
		options.Update().SetUpsert(true))
	return writeFault("mongostore.migrate", err)
}

// ownPrefix is the prefix of our collections' names, because another program in the database may
// have a collection named user, too.
const ownPrefix = "patchbay_"

// foundStore returns the prefix of the collections' names, and the version that created them, or
// 0 if there are none. Collections that the first programs made have no prefix, and keep their
// names.
func foundStore(ctx context.Context, db *mongo.Database) (prefix string, found int, err error) {
	for _, prefix := range []string{ownPrefix, ""} {
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
	return ownPrefix, 0, nil
}

// ensureIndexes creates missing indexes. It does not create existing ones, because FerretDB closes
// the connection then.
func ensureIndexes(ctx context.Context, c *mongo.Collection, indexes []index) error {
	existing, err := c.Indexes().ListSpecifications(ctx)
	if err != nil {
		return readFault("mongostore.migrate", err)
	}
	for _, i := range indexes {
		if slices.ContainsFunc(existing, func(one *mongo.IndexSpecification) bool { return one.Name == i.name() }) {
			continue
		}
		if _, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: i.keys, Options: options.Index().SetUnique(i.unique)}); err != nil {
			return writeFault("mongostore.migrate", err)
		}
	}
	return nil
}
