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

// people is the collection of users.
type people struct{ *Store }

// FindByID implements table.UserTable.
func (p people) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	_, found, err := p.present(ctx, tenant, id)
	return found, err
}

// present reads a user that is not deleted.
func (p people) present(ctx context.Context, tenant, id string) (person, user.User, error) {
	one, err := p.person(ctx, "_id", personKey(tenant, id))
	if err == nil && one.Deleted {
		err = fault.New(fault.NotFound, "", "")
	}
	if err != nil {
		return person{}, user.User{}, err
	}
	found, err := one.user()
	return one, found, err
}

// FindByEmail implements table.UserTable.
func (p people) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	one, err := p.person(ctx, "email", tenant+"|"+email)
	if err != nil {
		return user.User{}, err
	}
	return one.user()
}

// FindByKey implements table.UserTable.
func (p people) FindByKey(ctx context.Context, scoped string) (user.Creation, error) {
	one, err := p.person(ctx, "idem", taken+scoped)
	if err != nil {
		return user.Creation{}, err
	}
	s, err := one.stored()
	return table.CreationOf(s), err
}

// HasID implements table.UserTable.
func (p people) HasID(ctx context.Context, tenant, id string) (bool, error) {
	_, err := p.person(ctx, "_id", personKey(tenant, id))
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func (p people) person(ctx context.Context, field, value string) (one person, err error) {
	err = p.people.FindOne(ctx, bson.D{{Key: field, Value: value}}).Decode(&one)
	return one, readFault("mongostore.user", err)
}

// Insert implements table.UserTable.
func (p people) Insert(ctx context.Context, n table.NewUser) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, fault.Wrap(fault.Unavailable, "mongostore.user", err)
	}
	one, err := newPerson(n.User, n.Key)
	if err != nil {
		return false, err
	}
	one.Told, one.Tell = map[string][]told{"1": tell(n.News)}, true
	_, err = p.people.InsertOne(ctx, one)
	if err = writeFault("mongostore.user", err); fault.Is(err, fault.Conflict) {
		return false, nil
	}
	return err == nil, err
}

// Change implements table.UserTable. If the user has changed between the read and the write, it
// starts over.
func (p people) Change(ctx context.Context, tenant, id string, change func(before user.User) (table.Changed, error)) error {
	for {
		one, before, err := p.present(ctx, tenant, id)
		if err != nil {
			return err
		}
		after, err := change(before)
		if err != nil {
			return err
		}
		set, err := one.become(before, after)
		if err != nil {
			return err
		}
		if done, err := p.replace(ctx, one, set); err != nil || done {
			return err
		}
	}
}

// replace changes a user if it has not changed since it was read. done reports whether it
// did.
func (p people) replace(ctx context.Context, one person, set bson.M) (done bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fault.Wrap(fault.Unavailable, "mongostore.user", err)
	}
	as := bson.D{{Key: "_id", Value: one.Key}, {Key: "rev", Value: one.Rev}, {Key: "idem", Value: one.Idem}} // Purge does not change rev
	res, err := p.people.UpdateOne(ctx, as, bson.M{"$set": set})
	if isInternal(err) && p.another(ctx, one, set["email"]) {
		return false, table.ErrRecordConflict
	}
	if err != nil {
		return false, writeFault("mongostore.user", err)
	}
	return res.MatchedCount > 0, nil
}

// another reports whether another user has the email address. FerretDB reports that as an
// internal error.
func (p people) another(ctx context.Context, one person, email any) bool {
	n, err := p.people.CountDocuments(ctx, bson.D{{Key: "email", Value: email}, {Key: "_id", Value: bson.D{{Key: "$ne", Value: one.Key}}}})
	return err == nil && n > 0
}

// person is a user as it is stored. Email and Idem are present in every document, because a
// unique index counts absent values as equal. Metadata is JSON, because its keys may
// contain characters that a field name may not.
type person struct {
	Key         string            `bson:"_id"` // tenant|id
	Tenant      string            `bson:"tenant"`
	ID          string            `bson:"id"`
	Email       string            `bson:"email"` // tenant|email, or derived from the document's own key
	Name        string            `bson:"name"`
	Metadata    []byte            `bson:"metadata"`
	Rev         int64             `bson:"rev"` // the version
	Created     int64             `bson:"created"`
	Updated     int64             `bson:"updated"`
	Idem        string            `bson:"idem"`
	Fingerprint string            `bson:"fingerprint"`
	Original    []byte            `bson:"original"` // the user as created, once it has changed, for repeats of Idem
	Deleted     bool              `bson:"deleted"`
	Trace       bool              `bson:"trace"` // has a key or is deleted: Purge must handle it
	Told        map[string][]told `bson:"told"`
	Tell        bool              `bson:"tell"`
}

func personKey(tenant, id string) string { return tenant + "|" + id }

// taken is the prefix of the idempotency key with which a user was created.
const taken = "k|"

func newPerson(n user.User, key idempotency.Key) (person, error) {
	metadata, err := json.Marshal(n.Metadata)
	if err != nil {
		return person{}, fault.Wrap(fault.Invalid, "mongostore.user", err)
	}
	p := person{
		Key: personKey(n.Tenant, n.ID), Tenant: n.Tenant, ID: n.ID, Email: n.Tenant + "|" + n.Email, Name: n.Name, Metadata: metadata,
		Rev: n.Version, Created: table.Micros(n.CreatedAt), Updated: table.Micros(n.UpdatedAt), Idem: taken + key.Scoped, Fingerprint: key.Fingerprint, Trace: true,
	}
	if key.Empty() {
		p.Idem, p.Trace = noTenant+p.Key, false
	}
	return p, nil
}

func (p person) user() (user.User, error) {
	u := user.User{
		ID: p.ID, Tenant: p.Tenant, Email: p.Email[len(p.Tenant)+1:], Name: p.Name, Version: p.Rev,
		CreatedAt: table.Moment(p.Created), UpdatedAt: table.Moment(p.Updated),
	}
	if string(p.Metadata) == "null" { // the stored form of no metadata
		return u, nil
	}
	var err error
	u.Metadata, err = record.DecodeMetadata(p.Metadata)
	return u, err
}

// become returns the fields that change from before to after. Of a deleted user no personal data
// stays.
func (p person) become(before user.User, after table.Changed) (bson.M, error) {
	now, err := newPerson(after.User, idempotency.Key{})
	if err != nil {
		return nil, err
	}
	set := bson.M{
		"email": now.Email, "name": now.Name, "metadata": now.Metadata, "updated": now.Updated,
		"rev": p.Rev + 1, "tell": true, fmt.Sprint("told.", p.Rev+1): tell(after.News),
	}
	switch {
	case after.Deleted:
		set["email"], set["metadata"], set["original"], set["deleted"], set["trace"] = noTenant+p.Key, nil, nil, true, true
	case p.Original == nil && p.Idem != noTenant+p.Key:
		if set["original"], err = json.Marshal(before); err != nil {
			return nil, fault.Wrap(fault.Internal, "mongostore.user", err)
		}
	}
	return set, nil
}

// stored returns all that is known of a user.
func (p person) stored() (s ports.StoredUser, err error) {
	s.Deleted = p.Deleted
	if scoped, some := strings.CutPrefix(p.Idem, taken); some {
		s.Key = idempotency.Key{Scoped: scoped, Fingerprint: p.Fingerprint}
	}
	if p.Deleted {
		s.User = user.User{ID: p.ID, Tenant: p.Tenant, Version: p.Rev, CreatedAt: table.Moment(p.Created), UpdatedAt: table.Moment(p.Updated)}
		return s, nil
	}
	if s.User, err = p.user(); err == nil && p.Original != nil {
		var first user.User
		first, err = record.DecodeUser(p.Original, p.ID)
		s.Original = &first
	}
	return s, err
}
