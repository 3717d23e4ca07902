//go:build interop

// Package proxies runs the gateway behind nginx and HAProxy, as docs/proxy.md says.
package proxies

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

const patience = 30 * time.Second

// documentedBlock returns the only block of docs/proxy.md in a language, with addresses replaced:
// old and new in turn. Each old one must occur once.
func documentedBlock(t *testing.T, language string, replace ...string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(gateway.Root(), "docs", "proxy.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 1 {
		t.Fatalf("docs/proxy.md has %d blocks of %s, want 1 block", len(blocks), language)
	}
	text := string(blocks[0][1])
	for i := 0; i < len(replace); i += 2 {
		if n := strings.Count(text, replace[i]); n != 1 {
			t.Fatalf("docs/proxy.md has %q %d times in its block of %s, want 1", replace[i], n, language)
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	return text
}

// startGuarded starts a gateway with the documented settings and more variables, and returns it with
// an API key.
func startGuarded(t *testing.T, env ...string) (g *gateway.Gateway, key string) {
	t.Helper()
	g = gateway.Configured(t, documentedBlock(t, "yaml"), append(env, "PATCHBAY_AUTH__MODE=off")...)
	g.Restart(t) // a gateway that requires keys starts only if there is one
	out, err := g.Command(t, append([]string{"keys", "create", "--name", "proxies"}, g.Args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	for i, v := range g.Env {
		if strings.HasPrefix(v, "PATCHBAY_AUTH__MODE=") {
			g.Env[i] = "PATCHBAY_AUTH__MODE=required"
		}
	}
	g.Restart(t)
	return g, strings.TrimSpace(string(out))
}

// proxy is a running proxy.
type proxy struct {
	address string
	log     func() string
}

// proxies has a function for each kind of proxy that starts it in front of an address.
var proxies = map[string]func(t *testing.T, gateway string) *proxy{"nginx": startNginx, "HAProxy": startHAProxy}

// startNginx adds to the documented block what every nginx.conf needs, and a log with the statuses of
// all tries of each request.
func startNginx(t *testing.T, gateway string) *proxy {
	t.Helper()
	address := free(t)
	dir := t.TempDir()
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	conf := fmt.Sprintf(`
%s daemon off; worker_processes 2; pid %[2]s/pid;
events { worker_connections 1024; }
http {
    client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fastcgi;
    uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
    log_format tries 'request=$http_x_request_id status=$status tries=$upstream_status line="$request"';
    access_log %[2]s/access.log tries;
%s
}
`, user, dir, documentedBlock(t, "nginx", "listen 443;", "listen "+address+";", "server 127.0.0.1:8080;", "server "+gateway+";"))
	file := filepath.Join(dir, "nginx.conf")
	errors := filepath.Join(dir, "error.log")
	run(t, address, file, conf, "nginx", "-p", dir, "-e", errors, "-c", file)
	return &proxy{address, func() string { return content(t, filepath.Join(dir, "access.log")) + content(t, errors) }}
}

// startHAProxy adds a log to the documented block: how often each request was retried, and how its
// session ended.
func startHAProxy(t *testing.T, gateway string) *proxy {
	t.Helper()
	address := free(t)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	conf := fmt.Sprintf(`
global
    log stdout format raw daemon
    maxconn 1024
defaults
    log global
    log-format "status=%%ST retries=%%rc end=%%tsc line=%%{+Q}r"
%s`, documentedBlock(t, "haproxy", "bind :443", "bind "+address, "127.0.0.1:8080", gateway))
	log := run(t, address, file, conf, "haproxy", "-db", "-f", file)
	return &proxy{address, log}
}

// run writes a configuration and starts a program with it until the test ends.
func run(t *testing.T, address, file, conf, program string, args ...string) (log func() string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil { // Debian installs it where only the PATH of root leads
		path, err = exec.LookPath("/usr/sbin/" + program)
	}
	if err != nil {
		t.Fatalf("no %s for this test: %v: on Debian, the package %[1]s", program, err)
	}
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(filepath.Dir(file), "out")
	to, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = to, to
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = to.Close() // the program has its own
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it stops its workers
		<-ended
	})
	gateway.Eventually(t, patience, program+" listens", func() bool {
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", program, content(t, out))
		default:
		}
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return func() string { return content(t, out) }
}

func content(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// free returns a loopback address at which no process listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // only the port is needed
	return l.Addr().String()
}
