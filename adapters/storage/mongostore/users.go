package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/bson"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

// userTable is the collection of users.
type userTable struct{ *Store }

// FindByID implements table.UserTable.
func (t userTable) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	_, found, err := t.present(ctx, tenant, id)
	return found, err
}

// present reads a user that is not deleted, and its document.
func (t userTable) present(ctx context.Context, tenant, id string) (userDocument, user.User, error) {
	d, err := t.document(ctx, "_id", ports.UserKey(tenant, id))
	if err == nil && d.Deleted {
		err = fault.New(fault.NotFound, "", "")
	}
	if err != nil {
		return userDocument{}, user.User{}, err
	}
	u, err := d.user()
	return d, u, err
}

// FindByEmail implements table.UserTable.
func (t userTable) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	d, err := t.document(ctx, "email", tenant+"|"+email)
	if err != nil {
		return user.User{}, err
	}
	return d.user()
}

// FindByKey implements table.UserTable.
func (t userTable) FindByKey(ctx context.Context, scoped string) (user.Creation, error) {
	d, err := t.document(ctx, "idem", keyPrefix+scoped)
	if err != nil {
		return user.Creation{}, err
	}
	s, err := d.stored()
	return table.CreationOf(s), err
}

// HasID implements table.UserTable.
func (t userTable) HasID(ctx context.Context, tenant, id string) (bool, error) {
	_, err := t.document(ctx, "_id", ports.UserKey(tenant, id))
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func (t userTable) document(ctx context.Context, field, value string) (d userDocument, err error) {
	err = t.userDocs.FindOne(ctx, bson.D{{Key: field, Value: value}}).Decode(&d)
	return d, readFault("mongostore.user", err)
}

// Insert implements table.UserTable.
func (t userTable) Insert(ctx context.Context, n table.NewUser) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, fault.Wrap(fault.Unavailable, "mongostore.user", err)
	}
	d, err := newUserDocument(n.User, n.Key)
	if err != nil {
		return false, err
	}
	d.Pending, d.HasPending = map[string][]pendingEvent{"1": pendingEvents(n.Events)}, true
	_, err = t.userDocs.InsertOne(ctx, d)
	if err = writeFault("mongostore.user", err); fault.Is(err, fault.Conflict) {
		return false, nil
	}
	return err == nil, err
}

// Change implements table.UserTable. If the user has changed between the read and the write, it
// starts over.
func (t userTable) Change(ctx context.Context, tenant, id string, change func(before user.User) (table.Changed, error)) error {
	for {
		d, before, err := t.present(ctx, tenant, id)
		if err != nil {
			return err
		}
		after, err := change(before)
		if err != nil {
			return err
		}
		set, err := d.changedFields(before, after)
		if err != nil {
			return err
		}
		if replaced, err := t.replace(ctx, d, set); err != nil || replaced {
			return err
		}
	}
}

// replace sets fields of a user, and reports whether it did: only if the user has not changed
// since it was read.
func (t userTable) replace(ctx context.Context, d userDocument, set bson.M) (replaced bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fault.Wrap(fault.Unavailable, "mongostore.user", err)
	}
	unchanged := bson.D{{Key: "_id", Value: d.Key}, {Key: "rev", Value: d.Rev}, {Key: "idem", Value: d.Idem}} // Purge does not change rev
	res, err := t.userDocs.UpdateOne(ctx, unchanged, bson.M{"$set": set})
	if isInternal(err) && taken(ctx, t.userDocs, d.Key, bson.D{{Key: "email", Value: set["email"]}}) {
		return false, table.ErrRecordConflict
	}
	if err != nil {
		return false, writeFault("mongostore.user", err)
	}
	return res.MatchedCount > 0, nil
}

// userDocument is a user as it is stored. Email and Idem are present in every document, because a
// unique index counts absent values as equal. Metadata is JSON, because its keys may
// contain characters that a field name may not.
type userDocument struct {
	Key         string                    `bson:"_id"` // tenant|id
	Tenant      string                    `bson:"tenant"`
	ID          string                    `bson:"id"`
	Email       string                    `bson:"email"` // tenant|email, or derived from the document's own key
	Name        string                    `bson:"name"`
	Metadata    []byte                    `bson:"metadata"`
	Rev         int64                     `bson:"rev"` // the version
	Created     int64                     `bson:"created"`
	Updated     int64                     `bson:"updated"`
	Idem        string                    `bson:"idem"`
	Fingerprint string                    `bson:"fingerprint"`
	Original    []byte                    `bson:"original"` // the user as created, once it has changed, for repeats of Idem
	Deleted     bool                      `bson:"deleted"`
	Purgeable   bool                      `bson:"trace"` // has a key or is deleted
	Pending     map[string][]pendingEvent `bson:"told"`  // as in document
	HasPending  bool                      `bson:"tell"`
}

// keyPrefix precedes the idempotency key with which a user was created.
const keyPrefix = "k|"

func newUserDocument(n user.User, key idempotency.Key) (userDocument, error) {
	metadata, err := json.Marshal(n.Metadata)
	if err != nil {
		return userDocument{}, fault.Wrap(fault.Invalid, "mongostore.user", err)
	}
	d := userDocument{
		Key: ports.UserKey(n.Tenant, n.ID), Tenant: n.Tenant, ID: n.ID, Email: n.Tenant + "|" + n.Email, Name: n.Name, Metadata: metadata,
		Rev: n.Version, Created: table.Micros(n.CreatedAt), Updated: table.Micros(n.UpdatedAt), Idem: keyPrefix + key.Scoped, Fingerprint: key.Fingerprint, Purgeable: true,
	}
	if key.Empty() {
		d.Idem, d.Purgeable = noValue+d.Key, false
	}
	return d, nil
}

func (d userDocument) user() (user.User, error) {
	u := user.User{
		ID: d.ID, Tenant: d.Tenant, Email: d.Email[len(d.Tenant)+1:], Name: d.Name, Version: d.Rev,
		CreatedAt: table.Moment(d.Created), UpdatedAt: table.Moment(d.Updated),
	}
	if string(d.Metadata) == "null" { // the stored form of no metadata
		return u, nil
	}
	var err error
	u.Metadata, err = record.DecodeMetadata(d.Metadata)
	return u, err
}

// changedFields returns the fields that differ between before and after. Of a deleted user no
// personal data stays.
func (d userDocument) changedFields(before user.User, after table.Changed) (bson.M, error) {
	now, err := newUserDocument(after.User, idempotency.Key{})
	if err != nil {
		return nil, err
	}
	set := bson.M{
		"email": now.Email, "name": now.Name, "metadata": now.Metadata, "updated": now.Updated,
		"rev": d.Rev + 1, "tell": true, fmt.Sprint("told.", d.Rev+1): pendingEvents(after.Events),
	}
	switch {
	case after.Deleted:
		set["email"], set["metadata"], set["original"], set["deleted"], set["trace"] = noValue+d.Key, nil, nil, true, true
	case d.Original == nil && d.Idem != noValue+d.Key:
		if set["original"], err = json.Marshal(before); err != nil {
			return nil, fault.Wrap(fault.Internal, "mongostore.user", err)
		}
	}
	return set, nil
}

// stored returns everything that is stored about a user.
func (d userDocument) stored() (s ports.StoredUser, err error) {
	s.Deleted = d.Deleted
	if scoped, found := strings.CutPrefix(d.Idem, keyPrefix); found {
		s.Key = idempotency.Key{Scoped: scoped, Fingerprint: d.Fingerprint}
	}
	if d.Deleted {
		s.User = user.User{ID: d.ID, Tenant: d.Tenant, Version: d.Rev, CreatedAt: table.Moment(d.Created), UpdatedAt: table.Moment(d.Updated)}
		return s, nil
	}
	if s.User, err = d.user(); err == nil && d.Original != nil {
		var first user.User
		first, err = record.DecodeUser(d.Original, d.ID)
		s.Original = &first
	}
	return s, err
}
