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
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	_ "modernc.org/sqlite"
)

const (
	floorVariable = "PATCHBAY_BENCH_FLOOR" // the name of a floor
	floorArgument = "PATCHBAY_BENCH_FLOOR_ARGUMENT"
)

// floors are the bare fiber programs that the gateway is compared with, or that stand for its provider.
var floors = map[string]func(app *fiber.App, argument string){
	"answer":   answerAll,
	"provider": acceptMail,
	"forward":  forwardAll,
}

// TestMain also runs the floors, each in a process of its own as the gateway is.
func TestMain(m *testing.M) {
	if name := os.Getenv(floorVariable); name != "" {
		serveFloor(floors[name])
		return
	}
	os.Exit(m.Run())
}

func serveFloor(routes func(app *fiber.App, argument string)) {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	routes(app, os.Getenv(floorArgument))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() { _, _ = bufio.NewReader(os.Stdin).ReadByte(); os.Exit(0) }() // it ends with its parent
	panic(app.Listener(l))
}

// answerAll answers every request with the same JSON.
func answerAll(app *fiber.App, answer string) {
	app.Get("/*", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.SendString(answer)
	})
}

// acceptMail accepts messages as SendGrid does, each after latency, and counts them.
func acceptMail(app *fiber.App, latency string) {
	takes, err := time.ParseDuration(latency)
	if err != nil {
		panic(err)
	}
	var accepted atomic.Int64
	app.Post("/v3/mail/send", func(c *fiber.Ctx) error {
		if takes > 0 {
			<-time.After(takes) // what the gateway is measured beside
		}
		c.Set("X-Message-Id", strconv.FormatInt(accepted.Add(1), 10))
		return c.SendStatus(fiber.StatusAccepted)
	})
	app.Get("/accepted", func(c *fiber.Ctx) error { return c.SendString(strconv.FormatInt(accepted.Load(), 10)) })
}

// forwardAll forwards each request as one POST to the provider, and passes its status on.
func forwardAll(app *fiber.App, provider string) {
	client := &fasthttp.HostClient{Addr: provider, MaxConns: 512}
	app.Post("/*", func(c *fiber.Ctx) error {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(resp)
		req.SetRequestURI("http://" + provider + "/v3/mail/send")
		req.Header.SetMethod(fiber.MethodPost)
		req.Header.SetContentType(fiber.MIMEApplicationJSON)
		req.SetBody(c.Body())
		if err := client.Do(req, resp); err != nil {
			return err
		}
		return c.SendStatus(resp.StatusCode())
	})
}

// startFloor starts a floor.
func startFloor(b *testing.B, name, argument string) (address string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), floorVariable+"="+name, floorArgument+"="+argument)
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
