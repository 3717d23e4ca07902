package chaos_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"patchbay/tests/gateway"
)

// hasten makes what waits for its time due: payments and mail, in the queues of each
// provider.
const hasten = "UPDATE %s SET due = 1 WHERE queue IN ('payments', 'mail') OR queue LIKE 'payments:%%' OR queue LIKE 'mail:%%'"

const look = 2 * time.Second // between two looks, for the gateways to be at it

// database does a statement on the table of records, whose name it puts in, and returns
// of how many rows.
type database func(ctx context.Context, statement string) (int64, error)

func onServer(c *pgx.Conn) database {
	return func(ctx context.Context, statement string) (int64, error) {
		tag, err := c.Exec(ctx, fmt.Sprintf(statement, "patchbay_record"))
		return tag.RowsAffected(), err
	}
}

func inFile(t *testing.T, path string) database {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return func(ctx context.Context, statement string) (int64, error) {
		res, err := db.ExecContext(ctx, fmt.Sprintf(statement, "record"))
		if err != nil {
			return 0, err
		}
		return res.RowsAffected()
	}
}

// overdue lets the time pass after which what waits is taken up, until nothing waits:
// leases of what was given up half-way, and the waits between tries, the second of
// which takes minutes. Nobody asks anything at this time.
func overdue(t *testing.T, do database) {
	t.Helper()
	var last time.Time
	gateway.Eventually(t, settling, "nothing waits", func() bool {
		if time.Since(last) < look {
			return false
		}
		last = time.Now()
		waiting, err := do(t.Context(), hasten)
		if err != nil {
			t.Fatal(err)
		}
		return waiting == 0
	})
}
