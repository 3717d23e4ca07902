// Package gateway runs the real binary for tests. The binary is built once per test run, started on
// free loopback ports, killed and restarted.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/tests/testlog"
)

const startLimit = 30 * time.Second

// Secret is the signing secret of the mock provider's webhooks.
const Secret = "whsec_test_0123456789abcdef"

// Gateway is a gateway process, running or not, with its data in Dir.
type Gateway struct {
	Dir   string
	Base  string // URL of the API
	Admin string // URL of the admin listener
	Env   []string
	Args  []string // after "serve"
	// Program is the path of the binary. If it is empty, the module is built.
	Program string
	// Output receives the output of the process. If it is nil, the output is kept for Log.
	Output *os.File

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // the result of the process, valid once done is closed
	log  testlog.Buffer
}

// New prepares a gateway on two free ports with an empty directory, without starting it.
func New(t testing.TB) *Gateway {
	t.Helper()
	return Configured(t, "providers:\n  mock: {type: mock, webhook_secrets: [\"${MOCK_WEBHOOK_SECRET}\"]}\n"+
		"  catcher: {type: catcher, keep: 1000000}\n", "MOCK_WEBHOOK_SECRET="+Secret) // a test counts all messages
}

// Configured prepares a gateway with the given configuration, without starting it. The
// configuration must not contain the addresses.
func Configured(t testing.TB, config string, env ...string) *Gateway {
	t.Helper()
	g := &Gateway{Dir: t.TempDir()}
	api, admin := freePort(t), freePort(t)
	g.Base, g.Admin = "http://"+api, "http://"+admin
	file := filepath.Join(g.Dir, "patchbay.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Args = []string{"--config", file}
	g.Env = append(slices.Clone(env), "PATCHBAY_SERVER__ADDRESS="+api, "PATCHBAY_SERVER__ADMIN_ADDRESS="+admin)
	t.Cleanup(g.Kill)
	return g
}

// Start prepares and starts a gateway, and waits until it is ready.
func Start(t testing.TB) *Gateway {
	t.Helper()
	g := New(t)
	g.Restart(t)
	return g
}

// freePort reserves a port until the test ends, also while the gateway is down.
func freePort(t testing.TB) string {
	t.Helper()
	address, release, err := faultserver.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

// Command prepares a command of the binary on the gateway's data.
func (g *Gateway) Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	binary := g.Program
	if binary == "" {
		var err error
		if binary, err = Binary(); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, args...) //nolint:noctx // the test ends it
	cmd.Dir, cmd.Env = g.Dir, g.Env
	return cmd
}

// Restart starts the process on the same data, and waits until it is ready.
func (g *Gateway) Restart(t testing.TB) {
	t.Helper()
	g.cmd = g.Command(t, append([]string{"serve"}, g.Args...)...)
	g.cmd.Stdout, g.cmd.Stderr = &g.log, &g.log
	if g.Output != nil {
		g.cmd.Stdout, g.cmd.Stderr = g.Output, g.Output
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		g.err = cmd.Wait()
		close(done)
	}(g.cmd, g.done)
	g.awaitReady(t)
}

func (g *Gateway) awaitReady(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, g.Base+"/readyz", nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-g.done:
			t.Fatalf("the gateway ended: %v\n%s", g.err, g.log.String())
		case <-ctx.Done():
			t.Fatalf("the gateway was not ready after %s\n%s", startLimit, g.log.String())
		case <-tick.C:
		}
	}
}

// Kill kills the process with SIGKILL, as a power cut would stop it.
func (g *Gateway) Kill() {
	if g.cmd != nil {
		_ = g.cmd.Process.Kill() // it may have ended already
		<-g.done
	}
}

// Pause stops the process (SIGSTOP). Resume continues it.
func (g *Gateway) Pause(t testing.TB) { g.Signal(t, syscall.SIGSTOP) }

// Resume continues a paused process.
func (g *Gateway) Resume(t testing.TB) { g.Signal(t, syscall.SIGCONT) }

// Signal sends the process a signal.
func (g *Gateway) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := g.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Stop sends SIGTERM, waits until the process has ended and returns its result.
func (g *Gateway) Stop() error {
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return g.Wait(startLimit)
}

// Wait waits until the process has ended and returns its result.
func (g *Gateway) Wait(limit time.Duration) error {
	select {
	case <-g.done:
		return g.err
	case <-time.After(limit):
		return errors.New("it did not end")
	}
}

// Log returns everything that the processes have printed so far.
func (g *Gateway) Log() string { return g.log.String() }

// PeakMemory returns the peak resident memory of the process, in bytes.
func (g *Gateway) PeakMemory(t testing.TB) int64 { return g.memory(t, "VmHWM:") }

// Memory returns the current resident memory of the process, in bytes.
func (g *Gateway) Memory(t testing.TB) int64 { return g.memory(t, "VmRSS:") }

func (g *Gateway) memory(t testing.TB, field string) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			var kb int64
			if _, err := fmt.Sscanf(rest, "%d kB", &kb); err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no %s in the process's status", field)
	return 0
}
