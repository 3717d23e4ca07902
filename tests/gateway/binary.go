package gateway

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Root returns the root directory of the module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Binary builds the gateway on the first call, and returns the path of the binary.
var Binary = sync.OnceValues(func() (string, error) { return build() })

// stepping builds the gateway with a clock that tests can set.
var stepping = sync.OnceValues(func() (string, error) { return build("-tags", "clockstep") })

// Altered builds a gateway whose clock tests can set, with further flags of go build.
func Altered(t testing.TB, flags ...string) (path string) {
	t.Helper()
	path, err := build(append([]string{"-tags", "clockstep"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(path)) })
	return path
}

func build(more ...string) (string, error) {
	dir, err := os.MkdirTemp("", "patchbay")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "patchbay")
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", path}, more...)
	build := exec.CommandContext(context.Background(), "go", append(args, "./app/cmd/patchbay")...)
	build.Dir, build.Env = Root(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
}

// offsetFile is the file, in the gateway's directory, from which a gateway with its own clock reads
// its offset. offsetVariable names it; the build tag clockstep in adapters/clock defines that
// variable.
const (
	offsetFile     = "clock"
	offsetVariable = "PATCHBAY_TEST_CLOCK_OFFSET"
)

// OwnClock gives the gateway a clock that SetClock sets. It must be called before the gateway
// starts. The program is built with another tag than the released binary, which has no such clock.
func (g *Gateway) OwnClock(t testing.TB) {
	t.Helper()
	path, err := stepping()
	if err != nil {
		t.Fatal(err)
	}
	g.Program = path
	g.Env = append(g.Env, offsetVariable+"="+filepath.Join(g.Dir, offsetFile))
}

// SetClock sets the offset of the gateway's clock from the machine's, effective at once. Running
// timers are not affected.
func (g *Gateway) SetClock(t testing.TB, off time.Duration) {
	t.Helper()
	path := filepath.Join(g.Dir, offsetFile)
	err := os.WriteFile(path+".new", []byte(off.String()), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path) // atomic: the gateway never reads half a file
	}
	if err != nil {
		t.Fatal(err)
	}
}
