// Package postgres starts PostgreSQL servers for tests, each with its own data directory, from the
// programs that are installed on this machine. If the programs are not installed, the test fails.
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

// startLimit bounds each step of the start. On a loaded machine initdb has taken 13 s.
const startLimit = 2 * time.Minute

// Server is a running server.
type Server struct {
	Port    uint16
	dir     string
	bin     string
	account *syscall.Credential // nil: the account of this process
	setup   Setup
	cmd     *exec.Cmd
	done    chan struct{}
	log     bytes.Buffer
}

// Username is the superuser of every server; it needs no password.
const Username = "patchbay"

// Setup is the additional configuration of a server.
type Setup struct {
	Settings []string          // lines of postgresql.conf, such as "ssl=on"
	Files    map[string][]byte // files in the data directory, by name
}

var shared = sync.OnceValues(func() (*Server, error) { return launch(Setup{Settings: []string{"fsync=off"}}) })

// Shared returns a server that all tests of the process share. It runs without fsync: it is fast,
// but its data would not survive a crash of the machine.
func Shared(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("no PostgreSQL for this test: %v", err)
	}
	return s
}

// Start starts a server for one test. It is durable and may be killed.
func Start(t testing.TB) *Server { return StartWith(t, Setup{}) }

// StartWith starts a server for one test with the given setup.
func StartWith(t testing.TB, setup Setup) *Server {
	t.Helper()
	s, err := launch(setup)
	if err != nil {
		t.Fatalf("no PostgreSQL for this test: %v", err)
	}
	t.Cleanup(func() {
		s.Kill()
		_ = os.RemoveAll(s.dir) // only this server uses it
	})
	return s
}

// Standby starts a second server that replicates this one. It is read-only until it is promoted
// (SELECT pg_promote()).
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby, err := s.follow()
	if err != nil {
		t.Fatalf("no standby for this test: %v", err)
	}
	t.Cleanup(func() {
		standby.Kill()
		_ = os.RemoveAll(standby.dir) // only this server uses it
	})
	return standby
}

func (s *Server) follow() (*Server, error) {
	dir, err := newDir()
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

// Database creates an empty database and returns its name.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if _, err := s.Connect(t, "postgres").Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return name
}

// Connect opens a connection to a database until the test ends.
func (s *Server) Connect(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	c, err := s.connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // the server may have ended
	return c
}

// Exec executes a statement in a database. names are inserted as by fmt.Sprintf.
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

// launch creates a data directory and starts a server on it.
func launch(setup Setup) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := newDir()
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

// own changes the owner of a path to the account that the server runs as.
func (s *Server) own(path string) error {
	if s.account == nil {
		return nil
	}
	return os.Chown(path, int(s.account.Uid), int(s.account.Gid))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Command prepares one of the server's own programs as a client of the server. It runs in the
// server's directory.
func (s *Server) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := s.command(ctx, program, args...)
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(int(s.Port)), "PGUSER="+Username)
	return cmd
}

func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	// The server ends with this process, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// run starts the server on its data and waits until it responds.
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

// Kill stops the server at once, without a checkpoint ("immediate").
func (s *Server) Kill() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // it may have ended already
	<-s.done
}

// Restart starts the server again on the same data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// programs returns the directory of the server's programs: the one in PATH, or the newest version
// in Debian's directories.
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

// unprivileged returns the account that the server runs as if this process runs as root, which
// PostgreSQL refuses.
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
