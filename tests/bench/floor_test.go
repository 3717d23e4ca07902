package bench_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	_ "modernc.org/sqlite"
)

const floorVariable = "PATCHBAY_BENCH_FLOOR"

// TestMain also runs the bare fiber handler, in a process of its own as the gateway is.
func TestMain(m *testing.M) {
	if answer := os.Getenv(floorVariable); answer != "" {
		serveFloor(answer)
		return
	}
	os.Exit(m.Run())
}

func serveFloor(answer string) {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/*", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.SendString(answer)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() { _, _ = bufio.NewReader(os.Stdin).ReadByte(); os.Exit(0) }() // it ends with its parent
	panic(app.Listener(l))
}

// httpFloor starts the bare handler, which answers every request with these bytes.
func httpFloor(b *testing.B, answer string) (address string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), floorVariable+"="+answer)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// commitFloor is a bare group commit: rows of the same size, in a table with a key and one more
// index, and an event for each. Rows that arrive during a commit go into the next. There is no
// HTTP in it.
type commitFloor struct {
	queue chan *row
	size  int
}

type row struct {
	number int64
	done   chan error
}

func newCommitFloor(b *testing.B, size int) *commitFloor {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "floor.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(b.Context(), `CREATE TABLE item (id TEXT PRIMARY KEY, name TEXT UNIQUE, body BLOB);
		CREATE TABLE event (seq INTEGER PRIMARY KEY, id TEXT, body BLOB)`); err != nil {
		b.Fatal(err)
	}
	f := &commitFloor{queue: make(chan *row, 1024), size: size}
	stopped := make(chan struct{})
	go func() { defer close(stopped); f.run(b, db) }()
	b.Cleanup(func() { close(f.queue); <-stopped; _ = db.Close() })
	return f
}

func (f *commitFloor) run(b *testing.B, db *sql.DB) {
	body, note := make([]byte, f.size), make([]byte, 100)
	for first := range f.queue {
		all := []*row{first}
	gather:
		for len(all) < 256 {
			select {
			case r, ok := <-f.queue:
				if !ok {
					break gather
				}
				all = append(all, r)
			default:
				break gather
			}
		}
		err := f.commit(db, all, body, note)
		for _, r := range all {
			r.done <- err
		}
	}
}

func (f *commitFloor) commit(db *sql.DB, all []*row, body, note []byte) error {
	ctx := context.Background()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	item, err := tx.PrepareContext(ctx, `INSERT INTO item (id, name, body) VALUES (?, ?, ?)`)
	if err != nil {
		return err
	}
	event, err := tx.PrepareContext(ctx, `INSERT INTO event (id, body) VALUES (?, ?)`)
	if err != nil {
		return err
	}
	for _, r := range all {
		id := fmt.Sprintf("usr_%026d", r.number)
		if _, err := item.ExecContext(ctx, id, fmt.Sprintf("u%d@example.com", r.number), body); err != nil {
			return err
		}
		if _, err := event.ExecContext(ctx, id, note); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// write waits for as many commits as a request makes, one after the other.
func (f *commitFloor) write(number int64, commits int) error {
	for i := range commits {
		r := &row{number: number*8 + int64(i), done: make(chan error, 1)}
		f.queue <- r
		if err := <-r.done; err != nil {
			return err
		}
	}
	return nil
}
