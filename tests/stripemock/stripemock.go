// Package stripemock gives tests Stripe's own mock, stripe-mock: it holds requests
// against Stripe's description of its API, and answers with samples. It remembers
// nothing. A test without it fails.
package stripemock

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
	"testing"
)

// URL is where it answers. It is built and started once, and ends with the test
// process.
func URL(t testing.TB) string {
	t.Helper()
	url, err := start()
	if err != nil {
		t.Fatalf("no stripe-mock for this test: %v", err)
	}
	return url
}

// run starts the program, and ends it when standard input ends: the program itself
// would go on.
const run = `"$0" -http-addr 127.0.0.1:0 -https-addr 127.0.0.1:0 & pid=$!; cat >/dev/null; kill $pid`

var start = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stripemock")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the program runs on without its file
	program := filepath.Join(dir, "stripe-mock")
	_, file, _, _ := runtime.Caller(0)
	build := exec.Command("go", "build", "-o", program, "github.com/stripe/stripe-mock")
	build.Dir = filepath.Join(filepath.Dir(file), "server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	server := exec.Command("sh", "-c", run, program)
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
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("it ended: %w", err)
		}
		address, found := strings.CutPrefix(line, "Listening for HTTP at address: ")
		if !found {
			continue
		}
		go func() {
			_, _ = io.Copy(io.Discard, lines) // what else it says is of no interest
			_ = in.Close()                    // held open until here: the server ends when it closes
		}()
		return "http://" + strings.TrimSpace(address), nil
	}
})
