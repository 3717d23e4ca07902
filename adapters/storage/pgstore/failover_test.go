package pgstore_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/storage/pgstore"
	"patchbay/core/fault"
	"patchbay/tests/postgres"
)

// virtual is an address that leads to one server or another, as one that moves with the
// primary does. What is connected stays where it is.
type virtual struct {
	net.Listener
	to  atomic.Uint32 // a port
	all sync.WaitGroup
}

func startVirtual(t *testing.T, to uint16) *virtual {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &virtual{Listener: l}
	v.to.Store(uint32(to))
	v.all.Go(v.serve)
	t.Cleanup(func() {
		_ = l.Close()
		v.all.Wait()
	})
	return v
}

func (v *virtual) port() uint16 { return uint16(v.Addr().(*net.TCPAddr).Port) }

func (v *virtual) serve() {
	for {
		in, err := v.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", v.to.Load()))
		if err != nil {
			_ = in.Close()
			continue
		}
		for from, to := range map[net.Conn]net.Conn{in: out, out: in} {
			v.all.Go(func() {
				_, _ = io.Copy(to, from)
				_ = to.Close()
			})
		}
	}
}

// The old primary stays up and is read-only, as one that was fenced or demoted: every connection to
// it continues to work, except for writes.
func TestConnectionsMoveToTheNewPrimaryAfterAFailover(t *testing.T) {
	t.Parallel()
	primary := postgres.Start(t)
	database := primary.Database(t)
	standby := primary.Standby(t)
	v := startVirtual(t, primary.Port)
	store, err := pgstore.Open(t.Context(), environment(v.port(), database, clock.System{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	journal := store
	var busy sync.WaitGroup
	for i := range 8 { // so that there are kept connections
		busy.Go(func() {
			if err := journal.Save(t.Context(), thing(fmt.Sprint("before", i)))[0]; err != nil {
				t.Error(err)
			}
		})
	}
	busy.Wait()
	awaitReplay(t, primary, standby)

	primary.Exec(t, "postgres", "ALTER SYSTEM SET default_transaction_read_only = on")
	primary.Exec(t, "postgres", "SELECT pg_reload_conf()")
	standby.Exec(t, "postgres", "SELECT pg_promote()")
	v.to.Store(uint32(standby.Port))

	began := time.Now()
	for i := 0; ; i++ {
		err := journal.Save(t.Context(), thing(fmt.Sprint("after", i)))[0]
		if err == nil {
			break
		}
		if !fault.Is(err, fault.Unavailable) {
			t.Fatalf("write refused by the old primary: error = %v, want kind %s", err, fault.Unavailable)
		}
		if time.Since(began) > 5*time.Second {
			t.Fatalf("writes are still refused after %s: %v", time.Since(began), err)
		}
	}
	// No read is answered by the old primary any more.
	for i := range 50 {
		r := thing(fmt.Sprint("then", i))
		if err := journal.Save(t.Context(), r)[0]; err != nil {
			t.Fatalf("write %d after the first: %v", i, err)
		}
		if _, err := journal.Get(t.Context(), r.Tenant, r.Kind, r.ID); err != nil {
			t.Fatalf("read of what was written last: %v", err)
		}
	}
	if _, err := journal.Get(t.Context(), "t", "thing", "before0"); err != nil {
		t.Errorf("read of what was written before the failover: %v", err)
	}
}

// awaitReplay waits until the standby has what the primary has.
func awaitReplay(t *testing.T, primary, standby *postgres.Server) {
	t.Helper()
	var at string
	if err := primary.Connect(t, "postgres").QueryRow(t.Context(), "SELECT pg_current_wal_flush_lsn()::text").Scan(&at); err != nil {
		t.Fatal(err)
	}
	c := standby.Connect(t, "postgres")
	for replayed := false; !replayed; {
		if err := c.QueryRow(t.Context(), "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", at).Scan(&replayed); err != nil {
			t.Fatal(err)
		}
	}
}

// A read-only server is not the primary, also if it is found first.
func TestAReadOnlyServerIsNotOpened(t *testing.T) {
	t.Parallel()
	s := postgres.Shared(t)
	database := s.Database(t)
	s.Exec(t, "postgres", "ALTER DATABASE %s SET default_transaction_read_only TO on", database)
	if _, err := pgstore.Open(t.Context(), environment(s.Port, database, clock.System{})); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v, want Unavailable", err)
	}
}
