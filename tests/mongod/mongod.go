// Package mongod gives tests a MongoDB: the one that TEST_MONGODB_URI names, or
// FerretDB, which is built and started here. A test without either fails.
package mongod

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// URI is where the server answers. It is started once, and ends with the test
// process.
func URI(t testing.TB) string {
	t.Helper()
	uri, err := start()
	if err != nil {
		t.Fatalf("no MongoDB for this test: %v", err)
	}
	return uri
}

var databases atomic.Int64

// Database is a name that no other test uses.
func Database() string { return fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1)) }

var start = sync.OnceValues(func() (string, error) {
	if uri := os.Getenv("TEST_MONGODB_URI"); uri != "" {
		return uri, nil
	}
	dir, err := os.MkdirTemp("", "mongod")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the program runs on without its file
	program := filepath.Join(dir, "ferretdb")
	_, file, _, _ := runtime.Caller(0)
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(filepath.Dir(file), "..", "ferretdb")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	server := exec.Command(program)
	in, err := server.StdinPipe()
	if err != nil {
		return "", err
	}
	out, err := server.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := server.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, lines) // what else it says is of no interest
		_ = in.Close()                    // held open until here: the server ends when it closes
	}()
	return strings.TrimSpace(line), err
})
