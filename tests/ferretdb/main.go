// Command ferretdb is a MongoDB for tests: FerretDB with a database in its own directory, behind a
// proxy that passes one message at a time. It prints its URI, and ends when it is told to.
//
// It is a separate module, because FerretDB needs older versions of libraries that the gateway
// uses.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "ferretdb")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nobody else uses it
	f, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: "127.0.0.1:0"}, Handler: "sqlite", SQLiteURL: "file:" + filepath.ToSlash(dir) + "/",
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()

	behind, err := url.Parse(f.MongoDBURI())
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go serve(l, behind.Host)
	fmt.Printf("mongodb://%s/\n", l.Addr())

	return <-done
}
