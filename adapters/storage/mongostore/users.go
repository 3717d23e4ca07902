package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

var _ ports.UserRepository = users{}

type users struct{ *Store }

// FindByID implements ports.UserRepository.
func (u users) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	p, err := u.person(ctx, "_id", personKey(tenant, id))
	if err == nil && p.Deleted {
		return user.User{}, fault.New(fault.NotFound, "", "")
	}
	if err != nil {
		return user.User{}, err
	}
	return p.user()
}

// FindByEmail implements ports.UserRepository.
func (u users) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	p, err := u.person(ctx, "email", tenant+"|"+email)
	if err != nil {
		return user.User{}, err
	}
	return p.user()
}

// FindByKey implements ports.UserRepository.
func (u users) FindByKey(ctx context.Context, scoped string) (user.Creation, error) {
	p, err := u.person(ctx, "idem", taken+scoped)
	if err != nil {
		return user.Creation{}, err
	}
	c := user.Creation{Fingerprint: p.Fingerprint, Deleted: p.Deleted}
	switch {
	case p.Deleted:
		c.User = user.User{ID: p.ID, Tenant: p.Tenant}
	case p.Original != nil:
		c.User, err = record.DecodeUser(p.Original, p.ID)
	default:
		c.User, err = p.user()
	}
	return c, err
}

func (u users) person(ctx context.Context, field, value string) (person, error) {
	var p person
	err := u.people.FindOne(ctx, bson.D{{Key: field, Value: value}}).Decode(&p)
	return p, readFault("mongostore.user", err)
}

// Create implements ports.UserRepository.
func (u users) Create(ctx context.Context, n user.User, key idempotency.Key) error {
	p, err := newPerson(n, key)
	if err != nil {
		return err
	}
	p.Told, p.Tell = map[string][]told{"1": tell(u.news("created", n))}, true
	for {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Unavailable, "mongostore.user", err)
		}
		_, err = u.people.InsertOne(ctx, p)
		if err = writeFault("mongostore.user", err); !fault.Is(err, fault.Conflict) {
			return err
		}
		if err := u.inTheWay(ctx, n, key); err != nil {
			return err
		}
	}
}

// inTheWay reports which unique value of a new user already exists, or nil if none does any
// more.
func (u users) inTheWay(ctx context.Context, n user.User, key idempotency.Key) error {
	if !key.Empty() {
		if _, err := u.FindByKey(ctx, key.Scoped); !fault.Is(err, fault.NotFound) {
			return orElse(err, fault.New(fault.Conflict, "key_taken", "the idempotency key is taken"))
		}
	}
	if _, err := u.FindByEmail(ctx, n.Tenant, n.Email); !fault.Is(err, fault.NotFound) {
		return orElse(err, errEmailTaken)
	}
	if _, err := u.person(ctx, "_id", personKey(n.Tenant, n.ID)); !fault.Is(err, fault.NotFound) {
		return orElse(err, fault.New(fault.Conflict, "id_taken", "the id is taken"))
	}
	return nil
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

var errEmailTaken = &fault.Error{Kind: fault.Conflict, Code: "email_taken", Param: "email", Message: "another user has this email"}

// Update implements ports.UserRepository. If the user has changed between the read and the
// write, it starts over.
func (u users) Update(ctx context.Context, tenant, id string, patch user.Patch, ifVersion int64) (user.User, error) {
	for {
		p, before, err := u.current(ctx, tenant, id, ifVersion)
		if err != nil {
			return user.User{}, err
		}
		after, err := before.Apply(patch, u.clock.Now())
		if err != nil {
			return user.User{}, err
		}
		set, err := p.become(before, after)
		if err != nil {
			return user.User{}, err
		}
		switch done, err := u.change(ctx, p, set, u.news("updated", after)); {
		case fault.Is(err, fault.Conflict):
			return user.User{}, errEmailTaken
		case err != nil:
			return user.User{}, err
		case done:
			return after, nil
		}
	}
}

// current reads a user, and checks its version.
func (u users) current(ctx context.Context, tenant, id string, ifVersion int64) (person, user.User, error) {
	p, err := u.person(ctx, "_id", personKey(tenant, id))
	switch {
	case err != nil:
		return p, user.User{}, err
	case p.Deleted:
		return p, user.User{}, fault.New(fault.NotFound, "", "")
	case ifVersion != 0 && p.Rev != ifVersion:
		return p, user.User{}, fault.New(fault.Conflict, "version_mismatch", fmt.Sprintf("the user is at version %d", p.Rev))
	}
	found, err := p.user()
	return p, found, err
}

// change changes a user if it has not changed since it was read. done reports whether it
// did.
func (u users) change(ctx context.Context, p person, set bson.M, news []event.Event) (done bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fault.Wrap(fault.Unavailable, "mongostore.user", err)
	}
	set["rev"], set["tell"], set[fmt.Sprint("told.", p.Rev+1)] = p.Rev+1, true, tell(news)
	as := bson.D{{Key: "_id", Value: p.Key}, {Key: "rev", Value: p.Rev}, {Key: "idem", Value: p.Idem}} // Purge does not change rev
	res, err := u.people.UpdateOne(ctx, as, bson.M{"$set": set})
	if isInternal(err) && u.another(ctx, p, set["email"]) {
		return false, errEmailTaken
	}
	if err != nil {
		return false, writeFault("mongostore.user", err)
	}
	return res.MatchedCount > 0, nil
}

// another reports whether another user has the email address. FerretDB reports that as an
// internal error.
func (u users) another(ctx context.Context, p person, email any) bool {
	n, err := u.people.CountDocuments(ctx, bson.D{{Key: "email", Value: email}, {Key: "_id", Value: bson.D{{Key: "$ne", Value: p.Key}}}})
	return err == nil && n > 0
}

// Delete implements ports.UserRepository.
func (u users) Delete(ctx context.Context, tenant, id string, ifVersion int64) error {
	for {
		p, gone, err := u.current(ctx, tenant, id, ifVersion)
		if err != nil {
			return err
		}
		gone.Version, gone.UpdatedAt = gone.Version+1, u.clock.Now()
		done, err := u.change(ctx, p, p.forget(gone.UpdatedAt), u.news("deleted", gone))
		if err != nil || done {
			return err
		}
	}
}

// news returns the event for a change of a user. It holds no personal data: readers of the
// feed fetch the user.
func (u users) news(what string, n user.User) []event.Event {
	return []event.Event{{
		ID: u.ids.New("fev"), Tenant: n.Tenant, Type: "user." + what, Subject: n.ID, At: n.UpdatedAt,
		Data: fmt.Appendf(nil, `{"version":%d}`, n.Version),
	}}
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
		Rev: n.Version, Created: micros(n.CreatedAt), Updated: micros(n.UpdatedAt), Idem: taken + key.Scoped, Fingerprint: key.Fingerprint, Trace: true,
	}
	if key.Empty() {
		p.Idem, p.Trace = noTenant+p.Key, false
	}
	return p, nil
}

func (p person) user() (user.User, error) {
	u := user.User{
		ID: p.ID, Tenant: p.Tenant, Email: p.Email[len(p.Tenant)+1:], Name: p.Name, Version: p.Rev,
		CreatedAt: moment(p.Created), UpdatedAt: moment(p.Updated),
	}
	if string(p.Metadata) == "null" { // the stored form of no metadata
		return u, nil
	}
	var err error
	u.Metadata, err = record.DecodeMetadata(p.Metadata)
	return u, err
}

// become returns the fields that change from before to after.
func (p person) become(before, after user.User) (bson.M, error) {
	metadata, err := json.Marshal(after.Metadata)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "mongostore.user", err)
	}
	set := bson.M{"email": p.Tenant + "|" + after.Email, "name": after.Name, "metadata": metadata, "updated": micros(after.UpdatedAt)}
	if p.Original == nil && p.Idem != noTenant+p.Key {
		original, err := json.Marshal(before)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, "mongostore.user", err)
		}
		set["original"] = original
	}
	return set, nil
}

// forget returns the fields that change when a user is deleted: no personal data stays.
func (p person) forget(at time.Time) bson.M {
	return bson.M{
		"email": noTenant + p.Key, "name": "", "metadata": nil, "original": nil, "updated": micros(at), "deleted": true, "trace": true,
	}
}
