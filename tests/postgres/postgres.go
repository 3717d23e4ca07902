// Package postgres gives tests a PostgreSQL server of their own: the programs that
// are installed here, on a directory that goes with the test process. A test
// without them fails.
package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startLimit bounds each step of the start. On a loaded machine initdb has taken
// 13 s.
const startLimit = 2 * time.Minute

// Server is a running server.
type Server struct {
	Port    uint16
	dir     string
	bin     string
	account *syscall.Credential // nil for our own
	setup   Setup
	cmd     *exec.Cmd
	done    chan struct{}
	log     bytes.Buffer
}

// Username is the superuser of every server; it needs no password.
const Username = "patchbay"

// Setup is what a server has beside the ordinary.
type Setup struct {
	Settings []string          // as in postgresql.conf: "ssl=on"
	Files    map[string][]byte // in the directory of its data, by name
}

var shared = sync.OnceValues(func() (*Server, error) { return launch(Setup{Settings: []string{"fsync=off"}}) })

// Shared is a server for all tests of the process. It is quick, and would not
// survive the end of the machine.
func Shared(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("no PostgreSQL for this test: %v", err)
	}
	return s
}

// Start is a server for one test, which keeps its promises and may be killed.
func Start(t testing.TB) *Server { return StartWith(t, Setup{}) }

// StartWith is a server for one test as that wants it.
func StartWith(t testing.TB, setup Setup) *Server {
	t.Helper()
	s, err := launch(setup)
	if err != nil {
		t.Fatalf("no PostgreSQL for this test: %v", err)
	}
	t.Cleanup(func() {
		s.Kill()
		_ = os.RemoveAll(s.dir) // nobody else uses it
	})
	return s
}

// Standby is a second server, which has all that this one has, follows it and only
// reads: until it is promoted (SELECT pg_promote()).
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby, err := s.follow()
	if err != nil {
		t.Fatalf("no standby for this test: %v", err)
	}
	t.Cleanup(func() {
		standby.Kill()
		_ = os.RemoveAll(standby.dir) // nobody else uses it
	})
	return standby
}

func (s *Server) follow() (*Server, error) {
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	standby := &Server{dir: dir, bin: s.bin, account: s.account, setup: s.setup}
	if err := standby.own(dir); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	backup := s.Command(ctx, "pg_basebackup", "--pgdata", standby.data(), "--write-recovery-conf", "--checkpoint", "fast", "--no-sync")
	if out, err := backup.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	if standby.Port, err = freePort(); err != nil {
		return nil, err
	}
	return standby, standby.run()
}

var databases atomic.Int64

// Database makes an empty database, and returns its name.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if _, err := s.Connect(t, "postgres").Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return name
}

// Connect opens a connection to a database, for the rest of the test.
func (s *Server) Connect(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	c, err := s.connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // the server may have ended
	return c
}

// Exec does a statement in a database, with names put into it as by fmt.Sprintf.
func (s *Server) Exec(t testing.TB, database, statement string, names ...any) {
	t.Helper()
	c, err := s.connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // it has answered
	if _, err := c.Exec(t.Context(), fmt.Sprintf(statement, names...)); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=%s database=%s sslmode=disable connect_timeout=5", s.Port, Username, database))
}

// launch makes a directory of data and starts a server on it.
func launch(setup Setup) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg") // short: a socket's path has 107 bytes
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, account: account, setup: setup}
	if err := s.own(dir); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	initdb := s.command(ctx, "initdb", "--pgdata", s.data(), "--username", Username, "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	for name, content := range setup.Files {
		path := filepath.Join(s.data(), name)
		if err := errors.Join(os.WriteFile(path, content, 0o600), s.own(path)); err != nil {
			return nil, err
		}
	}
	if s.Port, err = freePort(); err != nil {
		return nil, err
	}
	return s, s.run()
}

// own gives a path to the account that the server runs as.
func (s *Server) own(path string) error {
	if s.account == nil {
		return nil
	}
	return os.Chown(path, int(s.account.Uid), int(s.account.Gid))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Command prepares one of the server's own programs, as a client of the server
// and in its directory.
func (s *Server) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := s.command(ctx, program, args...)
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(int(s.Port)), "PGUSER="+Username)
	return cmd
}

func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	// It ends with this process, whichever way that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// run starts the server on its data, and waits until it answers.
func (s *Server) run() error {
	args := []string{
		"-D", s.data(), "-p", strconv.Itoa(int(s.Port)), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + s.dir,
		"-c", "max_connections=300", "-c", "shared_buffers=64MB",
	}
	for _, setting := range s.setup.Settings {
		args = append(args, "-c", setting)
	}
	s.cmd = s.command(context.Background(), "postgres", args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.done = done
	go func(cmd *exec.Cmd) {
		_ = cmd.Wait()
		close(done)
	}(s.cmd)
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := s.connect(ctx, "postgres"); err == nil {
			return c.Close(ctx)
		}
		select {
		case <-done:
			return fmt.Errorf("it ended: %s", s.log.String())
		case <-ctx.Done():
			return fmt.Errorf("it did not answer: %s", s.log.String())
		case <-tick.C:
		}
	}
}

// Kill ends the server at once, without a checkpoint ("immediate").
func (s *Server) Kill() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // it may have ended
	<-s.done
}

// Restart starts it again on the same data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// programs finds the directory of the server's programs: that of PATH, or where
// Debian keeps them, the newest version first.
func programs() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", errors.New("its programs are not installed: on Debian, the package postgresql")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// unprivileged is the account that the server runs as, where ours is root's, which
// it refuses.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // our own will do
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr == nil && gerr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("it refuses to run as root, and there is no account to run it as")
}

func freePort() (uint16, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // only its number was wanted
	return uint16(l.Addr().(*net.TCPAddr).Port), nil
}
