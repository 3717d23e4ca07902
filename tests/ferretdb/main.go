// Command ferretdb is a MongoDB for tests: FerretDB on a database in a directory
// of its own, behind a proxy that passes one message at a time. It prints its
// URI, and ends when its standard input does.
//
// It is a module of its own: FerretDB needs older versions of libraries that the
// gateway uses.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os"
	"path/filepath"

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
	ctx, stop := context.WithCancel(context.Background())
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

	_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started it has ended
	stop()
	return <-done
}
