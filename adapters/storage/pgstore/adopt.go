package pgstore

import (
	"context"
	_ "embed"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed adopt.sql
var adoptTables string

// earlier maps the names of the first version's tables to their columns. All later versions
// that used these names have these columns too.
var earlier = map[string][]string{
	"record":           {"kind", "tenant", "id", "rev", "idem", "ref", "status", "customer", "created", "queue", "due", "owner", "body"},
	"told":             {"n", "tenant", "id", "type", "subject", "at", "data"},
	"feed":             {"seq", "tenant", "id", "type", "subject", "at", "data"},
	"person":           {"tenant", "id", "email", "name", "metadata", "version", "created", "updated", "idem", "fingerprint", "original", "deleted"},
	"ping":             {"one", "at"},
	"goose_db_version": {"version_id", "is_applied"},
}

// adopt renames the tables of an earlier version, and reports whether our tables exist
// afterwards. Tables of other programs under the same names are not touched: all tables
// must exist, with the columns that they had.
func adopt(ctx context.Context, pool *pgxpool.Pool) (ours bool, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, migrationsTable).Scan(&ours); err != nil || ours {
			return err
		}
		there, err := columnsOf(ctx, tx)
		if err != nil {
			return err
		}
		for table, columns := range earlier {
			for _, column := range columns {
				if !slices.Contains(there[table], column) {
					return nil
				}
			}
		}
		ours = true
		_, err = tx.Exec(ctx, adoptTables)
		return err
	})
	return ours, readFault("pgstore.adopt", err)
}

// columnsOf lists the columns of the tables that have a name of an earlier version.
func columnsOf(ctx context.Context, tx pgx.Tx) (map[string][]string, error) {
	names := make([]string, 0, len(earlier))
	for name := range earlier {
		names = append(names, name)
	}
	rows, err := tx.Query(ctx, `SELECT n.name, a.attname FROM unnest($1::text[]) AS n (name)
		JOIN pg_class c ON c.oid = to_regclass(n.name) AND c.relkind = 'r'
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`, names)
	if err != nil {
		return nil, err
	}
	there := map[string][]string{}
	var table, column string
	_, err = pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		there[table] = append(there[table], column)
		return nil
	})
	return there, err
}
