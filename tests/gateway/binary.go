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

// Root is the folder of the module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Binary builds the gateway, the first time it is asked.
var Binary = sync.OnceValues(func() (string, error) { return build() })

// stepping is the gateway with a clock that tests can set.
var stepping = sync.OnceValues(func() (string, error) { return build("-tags", "clockstep") })

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

// offsetFile is where a gateway with a clock of its own looks, in its directory; the
// variable is that of the tag clockstep in adapters/sys.
const (
	offsetFile     = "clock"
	offsetVariable = "PATCHBAY_TEST_CLOCK_OFFSET"
)

// OwnClock gives the gateway, before it starts, a clock that SetClock sets. The program
// is another build: the one that is released has no such thing in it.
func (g *Gateway) OwnClock(t testing.TB) {
	t.Helper()
	path, err := stepping()
	if err != nil {
		t.Fatal(err)
	}
	g.Program = path
	g.Env = append(g.Env, offsetVariable+"="+filepath.Join(g.Dir, offsetFile))
}

// SetClock sets the gateway's own clock so far off the machine's, at once. Timers go on
// as they were.
func (g *Gateway) SetClock(t testing.TB, off time.Duration) {
	t.Helper()
	path := filepath.Join(g.Dir, offsetFile)
	err := os.WriteFile(path+".new", []byte(off.String()), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path) // whole at each moment
	}
	if err != nil {
		t.Fatal(err)
	}
}
