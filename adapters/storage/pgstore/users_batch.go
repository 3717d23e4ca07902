package pgstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
)

// userID identifies a user to be read.
type userID struct{ tenant, id string }

// newUser is a user to be created.
type newUser struct {
	user.User
	metadata []byte
	key      idempotency.Key
	news     []event.Event
}

const usersByID = `SELECT ` + userColumns + `, n FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (tenant, id, n)
	JOIN patchbay_person USING (tenant, id) WHERE NOT deleted`

var insertUsers = tellingAll(`WITH v AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[], $8::bigint[],
		$9::text[], $10::text[]) WITH ORDINALITY AS v (tenant, id, email, name, metadata, version, created, updated, idem, fingerprint, n)
	), s AS (INSERT INTO patchbay_person (tenant, id, email, name, metadata, version, created, updated, idem, fingerprint, deleted)
		SELECT tenant, id, email, name, metadata, version, created, updated, nullif(idem, ''), fingerprint, false FROM v ORDER BY n
		ON CONFLICT DO NOTHING RETURNING tenant, id
	), made AS (SELECT n FROM v JOIN s USING (tenant, id))`, 10)

func (s *Store) findUser(ctx context.Context, ask userID) (user.User, error) {
	return users{s}.one(ctx, userByID, ask.tenant, ask.id)
}

func (s *Store) findUsers(ctx context.Context, all []*call[userID, user.User]) error {
	const op = "pgstore.user"
	for _, c := range all {
		c.err = fault.Wrap(fault.NotFound, op, pgx.ErrNoRows)
	}
	args := []any{column(all, func(k userID) string { return k.tenant }), column(all, func(k userID) string { return k.id })}
	return s.rows(ctx, op, usersByID, args, func(row pgx.Rows) error {
		var n int64
		found, err := scanUser(row, &n)
		if err == nil {
			all[n-1].answer, all[n-1].err = found, nil
		}
		return err
	})
}

func (s *Store) createUser(ctx context.Context, n newUser) (bool, error) {
	args := []any{n.Tenant, n.ID, n.Email, n.Name, n.metadata, n.Version, micros(n.CreatedAt), micros(n.UpdatedAt), n.key.Scoped, n.key.Fingerprint}
	made, err := s.write(ctx, "pgstore.user", insertUser, append(args, columns(n.news)...)...)
	return made > 0, err
}

// createUsers creates users in the order of their email addresses, so that two gateways
// that create the same ones do not deadlock.
func (s *Store) createUsers(ctx context.Context, all []*call[newUser, bool]) error {
	all = distinct(all, func(n newUser) userID { return userID{n.Tenant, n.ID} })
	slices.SortFunc(all, func(a, b *call[newUser, bool]) int { return cmp.Compare(a.ask.Email, b.ask.Email) })
	args := []any{
		column(all, func(n newUser) string { return n.Tenant }), column(all, func(n newUser) string { return n.ID }),
		column(all, func(n newUser) string { return n.Email }), column(all, func(n newUser) string { return n.Name }),
		column(all, func(n newUser) []byte { return n.metadata }), column(all, func(n newUser) int64 { return n.Version }),
		column(all, func(n newUser) int64 { return micros(n.CreatedAt) }), column(all, func(n newUser) int64 { return micros(n.UpdatedAt) }),
		column(all, func(n newUser) string { return n.key.Scoped }), column(all, func(n newUser) string { return n.key.Fingerprint }),
	}
	args = append(args, columnsOfAll(column(all, func(n newUser) []event.Event { return n.news }))...)
	return commit(ctx, s, "pgstore.user", statement[newUser]{insertUsers, args, all})
}
