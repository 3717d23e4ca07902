package pgstore

import (
	"context"
	"time"

	"patchbay/core/record"
	"patchbay/ports"
)

// A record and its children are written by one statement, like everything else.
var (
	attachRecord = telling(insertion+`, c AS (INSERT INTO patchbay_record (rev, parent, tenant, kind, id, status, customer, created, queue, due, owner, body)
		SELECT 1, $16, $2, e.* FROM s, (SELECT kind, id, status, customer, created, nullif(queue, ''), due, owner, body FROM unnest($17::text[], $18::text[],
		$19::text[], $20::text[], $21::bigint[], $22::text[], $23::bigint[], $24::text[], $25::bytea[])
		AS u (kind, id, status, customer, created, queue, due, owner, body)) AS e)`, 25)
	detachRecord = telling(replacement+`, c AS (DELETE FROM patchbay_record USING s WHERE tenant = $2 AND parent = $1 || '|' || $3)`, 16)
)

const (
	purgeRecords = `WITH old AS (
			SELECT kind, tenant, id FROM patchbay_record WHERE kind = $1 AND tenant = $2 AND created < $3 AND queue IS NULL
			ORDER BY created LIMIT $4 FOR UPDATE SKIP LOCKED
		), children AS (
			DELETE FROM patchbay_record r USING old WHERE r.tenant = old.tenant AND r.parent = old.kind || '|' || old.id
		), gone AS (
			DELETE FROM patchbay_record r USING old WHERE r.kind = old.kind AND r.tenant = old.tenant AND r.id = old.id
		) SELECT count(*) FROM old`
	purgeUsers = `WITH old AS (
			SELECT tenant, id, deleted FROM patchbay_person WHERE (idem IS NOT NULL OR deleted) AND created < $1
			ORDER BY created LIMIT $2 FOR UPDATE SKIP LOCKED
		), gone AS (
			DELETE FROM patchbay_person p USING old WHERE old.deleted AND p.tenant = old.tenant AND p.id = old.id
		), kept AS (
			UPDATE patchbay_person p SET idem = NULL, fingerprint = '', original = NULL FROM old
			WHERE NOT old.deleted AND p.tenant = old.tenant AND p.id = old.id
		) SELECT count(*) FROM old`
)

// Attach implements ports.Journal.
func (j journal) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	if err := record.Attachable(parent, children); err != nil {
		return err
	}
	args, err := j.values(parent)
	if err != nil {
		return err
	}
	args = append(append(args, parent.Name()), rows(children)...)
	if err := j.once(ctx, parent, attachRecord, args); err != nil {
		return err
	}
	for _, c := range children {
		c.Parent, c.Rev = parent.Name(), 1
	}
	return nil
}

// rows returns records as arrays, one for each column.
func rows(records []*ports.Record) []any {
	var kinds, ids, statuses, customers, queues, owners []string
	var created, due []int64
	var bodies [][]byte
	for _, r := range records {
		kinds, ids, statuses, customers = append(kinds, r.Kind), append(ids, r.ID), append(statuses, r.Index.Status), append(customers, r.Index.Customer)
		created, due = append(created, micros(r.Index.Created)), append(due, micros(r.Due))
		queues, owners, bodies = append(queues, r.Queue), append(owners, r.Owner), append(bodies, r.Body)
	}
	return []any{kinds, ids, statuses, customers, created, queues, due, owners, bodies}
}

// Detach implements ports.Journal.
func (j journal) Detach(ctx context.Context, parent *ports.Record) error {
	args, err := j.values(parent)
	if err != nil {
		return err
	}
	return j.once(ctx, parent, detachRecord, append(args, parent.Rev))
}

// Purge implements ports.Journal.
func (j journal) Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error) {
	purged, err := j.write(ctx, "pgstore.purge", purgeRecords, kind, tenant, micros(before), n)
	return int(purged), err
}

// Sweep implements ports.Journal. It does nothing, because no child is stored without its
// record.
func (j journal) Sweep(context.Context, time.Time, int) (int, error) { return 0, nil }

// Purge implements ports.UserRepository.
func (u users) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	purged, err := u.write(ctx, "pgstore.purge", purgeUsers, micros(before), n)
	return int(purged), err
}
