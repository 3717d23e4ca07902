package bench_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// likeUser is what pgbench writes: a row of the size of a user, in a table with a key and one more
// unique index. Each is a commit of its own.
const likeUser = `\set n random(1, 9000000000000000000)
INSERT INTO item (id, name, body) VALUES ('usr_' || :n, 'u' || :n || '@example.com', repeat('x', 150));
`

// BenchmarkPostgres compares a gateway whose store is a PostgreSQL server with pgbench on the same
// server, which fsyncs. The load generator of this package calls the gateway over HTTP; pgbench is
// its own load generator and connects to the server directly. All of them share this machine.
func BenchmarkPostgres(b *testing.B) {
	server := postgres.Start(b)
	g := gateway.Configured(b, fmt.Sprintf("storage: {provider: postgres}\nproviders:\n"+
		"  postgres: {type: postgres, host: 127.0.0.1, port: %d, database: %s, username: %s, ssl: false}\n"+
		"  mock: {type: mock}\n  catcher: {type: catcher}\n", server.Port, server.Database(b), postgres.Username))
	g.Restart(b)
	u := g.Do(b, "POST", "/api/users", map[string]any{"email": "ada@example.com", "name": "Ada", "metadata": map[string]string{"plan": "free"}})
	floor := newPgbench(b, server)
	var numbers atomic.Int64
	var out strings.Builder
	for _, t := range []struct {
		task
		script []string // of pgbench
	}{
		{
			task{name: "user read", method: "GET", path: "/api/users/" + u.Text("id"), body: func(int64) ([]byte, string) { return nil, "" }, status: 200, goal: "0.4 at 16"},
			[]string{"--builtin", "select-only"},
		},
		{
			task{name: "user create", method: "POST", path: "/api/users", body: text(`{"email":"u%d@example.com","name":"Ada","metadata":{"plan":"free"}}`), status: 201, goal: "0.6 at 16"},
			[]string{"--file", floor.insert},
		},
	} {
		for _, conns := range []int{1, 16, 64} {
			var all, floors []figure
			for range rounds {
				all = append(all, load(b, conns, &numbers, caller(strings.TrimPrefix(g.Base, "http://"), conns, t.task)))
				floors = append(floors, floor.run(b, conns, t.script...))
			}
			line(&out, t.task, conns, median(all), median(floors))
		}
	}
	fmt.Printf("\nconnections, requests to a gateway on PostgreSQL, and what as many clients of pgbench reach on that server"+
		"\n(%d rounds of %s each, the median; the load over HTTP is made by this test, pgbench makes its own)\n%s", rounds, round, out.String())
}

// pgbench is the floor: a client that only queries the server.
type pgbench struct {
	server   *postgres.Server
	database string
	dir      string // that the server's account may write to
	insert   string // a file
}

func newPgbench(b *testing.B, server *postgres.Server) *pgbench {
	b.Helper()
	p := &pgbench{server: server, database: server.Database(b)}
	p.dir = p.server.Command(b.Context(), "pgbench").Dir
	p.insert = filepath.Join(p.dir, "insert.sql")
	if err := os.WriteFile(p.insert, []byte(likeUser), 0o644); err != nil {
		b.Fatal(err)
	}
	p.program(b, "pgbench", "--initialize", "--quiet", p.database)
	p.program(b, "psql", "--command", "CREATE TABLE item (id text PRIMARY KEY, name text UNIQUE, body text)", p.database)
	return p
}

// run is one round. It returns the time of each transaction from pgbench's log.
func (p *pgbench) run(b *testing.B, clients int, script ...string) figure {
	b.Helper()
	prefix := filepath.Join(p.dir, "times")
	args := append(script, "--client", strconv.Itoa(clients), "--jobs", strconv.Itoa(min(clients, runtime.NumCPU())),
		"--time", strconv.Itoa(int(round.Seconds())), "--no-vacuum", "--log", "--log-prefix", prefix, p.database)
	p.program(b, "pgbench", args...)
	logs, err := filepath.Glob(prefix + "*")
	if err != nil || len(logs) == 0 {
		b.Fatalf("pgbench left no log: got %v, want some logs", err)
	}
	var times []time.Duration
	for _, path := range logs {
		times = append(times, transactions(b, path)...)
	}
	if len(times) == 0 {
		b.Fatal("pgbench did nothing")
	}
	slices.Sort(times)
	return figure{perSecond: float64(len(times)) / round.Seconds(), p50: times[len(times)/2], p99: times[len(times)*99/100]}
}

// transactions reads a log of pgbench: the third column is the time of a transaction in
// microseconds.
func transactions(b *testing.B, path string) (times []time.Duration) {
	b.Helper()
	raw, err := os.ReadFile(path)
	if err = cmp.Or(err, os.Remove(path)); err != nil {
		b.Fatal(err)
	}
	for row := range strings.Lines(string(raw)) {
		var client, number, took int64
		if _, err := fmt.Sscan(row, &client, &number, &took); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Duration(took)*time.Microsecond)
	}
	return times
}

func (p *pgbench) program(b *testing.B, name string, args ...string) {
	b.Helper()
	if out, err := p.server.Command(b.Context(), name, args...).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", name, err, out)
	}
}
