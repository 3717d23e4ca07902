// Package program builds and starts the programs that tests need. Each is in its own module.
package program

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// run starts a program and kills it when standard input ends, because many programs would not end
// by themselves.
const run = `"$0" "$@" & pid=$!; cat >/dev/null; kill $pid`

// Start builds a package of a module, which is a directory below tests, and starts it. The program
// ends with this process. Start passes each line of its output to found until that recognizes the
// line with which the program is ready.
func Start(module, pkg string, args []string, found func(line string) (string, bool)) (string, error) {
	dir, err := os.MkdirTemp("", "program")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the program runs on without its file
	path := filepath.Join(dir, "program")
	_, file, _, _ := runtime.Caller(0)
	build := exec.Command("go", "build", "-o", path, pkg) //nolint:noctx // as long as it takes
	build.Dir = filepath.Join(filepath.Dir(file), "..", filepath.FromSlash(module))
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	server := exec.Command("sh", append([]string{"-c", run, path}, args...)...) //nolint:noctx // it ends with this process
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
		if said, ok := found(strings.TrimSpace(line)); ok {
			go func() {
				_, _ = io.Copy(io.Discard, lines) // the rest of the output is not needed
				_ = in.Close()                    // kept open until here: closing it ends the program
			}()
			return said, nil
		}
	}
}
