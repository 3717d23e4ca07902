package pgstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"patchbay/adapters/storage/table"
	"patchbay/core/event"
	"patchbay/core/user"
)

// userTable is the table of users.
type userTable struct{ *Store }

// userID identifies a user to be read.
type userID struct{ tenant, id string }

// newUser is a user to be created, with what is written.
type newUser struct {
	table.NewUser
	values []any
}

const (
	userByID    = `SELECT ` + table.UserColumns + ` FROM patchbay_person WHERE tenant = $1 AND id = $2 AND NOT deleted`
	userByEmail = `SELECT ` + table.UserColumns + ` FROM patchbay_person WHERE tenant = $1 AND email = $2`
	userByKey   = `SELECT ` + table.StoredColumns + ` FROM patchbay_person WHERE idem = $1`
	usersByID   = `SELECT ` + table.UserColumns + `, n FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (tenant, id, n)
		JOIN patchbay_person USING (tenant, id) WHERE NOT deleted`

	insertUser = `WITH s AS (INSERT INTO patchbay_person (` + table.UserNames + `)
		VALUES ($7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING RETURNING 1)` + insertEvents
	insertUsers = `WITH v AS (SELECT * FROM unnest($8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::bytea[], $14::bigint[],
		$15::bytea[], $16::boolean[], $17::bigint[], $18::text[], $19::text[]) WITH ORDINALITY AS v (` + table.UserNames + `, n)
	), s AS (INSERT INTO patchbay_person (` + table.UserNames + `) SELECT ` + table.UserNames + ` FROM v ORDER BY n
		ON CONFLICT DO NOTHING RETURNING tenant, id
	), made AS (SELECT n FROM v JOIN s USING (tenant, id))` + insertAllEvents
	changeUser = `WITH s AS (UPDATE patchbay_person SET version = $9, email = $10, name = $11, metadata = $12, updated = $13,
		original = CASE WHEN idem IS NULL OR $15 THEN NULL ELSE coalesce(original, $14) END, deleted = $15
		WHERE tenant = $7 AND id = $8 AND version = $9::bigint - 1 AND NOT deleted RETURNING 1)` + insertEvents
)

// FindByID implements table.UserTable.
func (t userTable) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	return t.userReads.do(ctx, userID{tenant, id})
}

func (s *Store) findUser(ctx context.Context, ask userID) (user.User, error) {
	return readOne(ctx, s, "pgstore.user", userByID, table.ScanUser, ask.tenant, ask.id)
}

func (s *Store) findUsers(ctx context.Context, all []*call[userID, user.User]) error {
	return readSeveral(ctx, s, "pgstore.user", usersByID, all, func(k userID) []any { return []any{k.tenant, k.id} }, table.ScanUser)
}

// FindByEmail implements table.UserTable.
func (t userTable) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	return readOne(ctx, t.Store, "pgstore.user", userByEmail, table.ScanUser, tenant, email)
}

// FindByKey implements table.UserTable.
func (t userTable) FindByKey(ctx context.Context, scoped string) (user.Creation, error) {
	return readOne(ctx, t.Store, "pgstore.user", userByKey, table.ScanCreation, scoped)
}

// HasID implements table.UserTable.
func (t userTable) HasID(ctx context.Context, tenant, id string) (taken bool, err error) {
	const query = `SELECT EXISTS (SELECT 1 FROM patchbay_person WHERE tenant = $1 AND id = $2)`
	err = t.row(ctx, "pgstore.user", query, []any{tenant, id}, func(row pgx.Row) error { return row.Scan(&taken) })
	return taken, err
}

// Insert implements table.UserTable.
func (t userTable) Insert(ctx context.Context, n table.NewUser) (inserted bool, err error) {
	one := &newUser{NewUser: n}
	if one.values, err = one.Values(); err != nil {
		return false, err
	}
	return t.userInserts.do(ctx, one)
}

func (s *Store) createUser(ctx context.Context, n *newUser) (bool, error) {
	inserted, err := s.write(ctx, "pgstore.user", insertUser, append(columns(n.Events), n.values...)...)
	return inserted > 0, err
}

// createUsers creates users in the order of their email addresses, so that two gateways
// that create the same ones do not deadlock.
func (s *Store) createUsers(ctx context.Context, all []*call[*newUser, bool]) error {
	all = distinct(all, func(n *newUser) userID { return userID{n.Tenant, n.ID} })
	slices.SortFunc(all, func(a, b *call[*newUser, bool]) int { return cmp.Compare(a.ask.Email, b.ask.Email) })
	return commit(ctx, s, "pgstore.user", statement[*newUser]{insertUsers, all, func(n *newUser) ([]any, []event.Event) { return n.values, n.Events }})
}

// Change implements table.UserTable. If the user has changed between the read and the write,
// it starts over.
func (t userTable) Change(ctx context.Context, tenant, id string, change func(before user.User) (table.Changed, error)) error {
	for {
		before, err := t.FindByID(ctx, tenant, id)
		if err != nil {
			return err
		}
		after, err := change(before)
		if err != nil {
			return err
		}
		values, err := after.Values(before)
		if err != nil {
			return err
		}
		if n, err := t.write(ctx, "pgstore.user", changeUser, append(columns(after.Events), values...)...); err != nil || n > 0 {
			return err
		}
	}
}

// Purge implements table.UserTable.
func (t userTable) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	const query = `WITH old AS (
			SELECT tenant, id, deleted FROM patchbay_person WHERE (idem IS NOT NULL OR deleted) AND created < $1
			ORDER BY created LIMIT $2 FOR UPDATE SKIP LOCKED
		), gone AS (
			DELETE FROM patchbay_person p USING old WHERE old.deleted AND p.tenant = old.tenant AND p.id = old.id
		), kept AS (
			UPDATE patchbay_person p SET idem = NULL, fingerprint = '', original = NULL FROM old
			WHERE NOT old.deleted AND p.tenant = old.tenant AND p.id = old.id
		) SELECT count(*) FROM old`
	purged, err := t.write(ctx, "pgstore.purge", query, table.Micros(before), n)
	return int(purged), err
}
