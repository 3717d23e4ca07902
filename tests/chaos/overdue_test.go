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

// makeDue makes every waiting payment and email due, in the queues of each provider.
const makeDue = "UPDATE %s SET due = 1 WHERE queue IN ('payments', 'mail') OR queue LIKE 'payments:%%' OR queue LIKE 'mail:%%'"

// lookUpNow makes every payment due that waits and on which nobody works. A copy may be of a time when the
// clock was hours ahead; until such a payment is due, its refund is answered operation_in_progress.
const lookUpNow = "UPDATE %s SET due = 1 WHERE owner = '' AND (queue = 'payments' OR queue LIKE 'payments:%%')"

const pollEvery = 2 * time.Second // gives the gateways time to work between two polls

// database executes a statement on the table of records, whose name it inserts, and returns the
// number of rows.
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
	db.SetMaxIdleConns(0) // the file may be replaced by a copy
	return func(ctx context.Context, statement string) (int64, error) {
		res, err := db.ExecContext(ctx, fmt.Sprintf(statement, "record"))
		if err != nil {
			return 0, err
		}
		return res.RowsAffected()
	}
}

// overdue makes waiting records due until nothing waits: leases of interrupted work, and the waits
// between tries, of which the second takes minutes. There is no load at this time.
func overdue(t *testing.T, do database) {
	t.Helper()
	var last time.Time
	gateway.Eventually(t, settling, "nothing waits", func() bool {
		if time.Since(last) < pollEvery {
			return false
		}
		last = time.Now()
		waiting, err := do(t.Context(), makeDue)
		if err != nil {
			t.Fatal(err)
		}
		return waiting == 0
	})
}
