//go:build interop

package pgstore

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"patchbay/ports"
	"patchbay/tests/contract/journaltest"
	"patchbay/tests/contract/usertest"
	"patchbay/tests/postgres"
)

// transactions is a PgBouncer that lends a server for one transaction at a time, and
// so few of them that those who use the same database get each other's.
const transactions = `
[databases]
* = host=127.0.0.1 port=%d user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_idle_timeout = 5
max_client_conn = 1000
`

// startPgBouncer puts a PgBouncer in front of a server, and returns its port.
func startPgBouncer(t *testing.T, server *postgres.Server) uint16 {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil { // Debian keeps it where only root looks
		program, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	if err != nil {
		t.Fatalf("no PgBouncer for this test: %v: on Debian, the package pgbouncer", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	_ = l.Close() // only its number was wanted
	cmd := server.Command(t.Context(), "pgbouncer", "pgbouncer.ini")
	cmd.Path = program
	if err := os.WriteFile(filepath.Join(cmd.Dir, "pgbouncer.ini"), fmt.Appendf(nil, transactions, server.Port, postgres.Username, port), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	for {
		c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			_ = c.Close()
			return port
		}
		select {
		case <-done:
			t.Fatalf("PgBouncer ended: %s", log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func through(t *testing.T, port uint16, database string) *Store {
	t.Helper()
	s, err := openAt(t, port, database)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBehindPgBouncer(t *testing.T) {
	t.Parallel()
	server := postgres.Start(t)
	port := startPgBouncer(t, server)
	t.Run("journal", func(t *testing.T) {
		place := func(t testing.TB) string { return fmt.Sprint(port, " ", server.Database(t)) }
		journaltest.Run(t, journaltest.Processes{Share: true, Make: place}, func(t *testing.T) journaltest.Harness {
			return journaltest.Harness{Journal: through(t, port, server.Database(t))}
		})
	})
	t.Run("users", func(t *testing.T) {
		usertest.Run(t, func(t *testing.T) usertest.Harness {
			s := through(t, port, server.Database(t))
			return usertest.Harness{Users: s.Users(), Journal: s}
		})
	})
	t.Run("no statement is kept by name", func(t *testing.T) {
		s := through(t, port, server.Database(t))
		if mode := s.pool.Config().ConnConfig.DefaultQueryExecMode; mode != pgx.QueryExecModeCacheDescribe {
			t.Errorf("%s", mode)
		}
	})
	t.Run("two gateways open one database at once, and share servers", func(t *testing.T) {
		database := server.Database(t)
		var stores [2]*Store
		var all sync.WaitGroup
		var errs [2]error
		for i := range stores {
			all.Go(func() { stores[i], errs[i] = openAt(t, port, database) })
		}
		all.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		for i, s := range stores {
			var records []*ports.Record
			for n := range maxBatch {
				records = append(records, newRecord(fmt.Sprint(i, "-", n)))
			}
			if err := errors.Join(saveAll(t, s, records...)...); err != nil {
				t.Error(err)
			}
		}
		if n := stores[0].number(t, `SELECT count(DISTINCT xmin::text) FROM patchbay_record`); n != 2 {
			t.Errorf("two batches were %d transactions", n)
		}
	})
}
