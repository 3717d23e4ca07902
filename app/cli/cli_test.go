package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/app/cli"
	"patchbay/tests/gateway"
	"patchbay/tests/testlog"
)

// result is what a command leaves to whoever called it.
type result struct {
	code           int
	stdout, stderr string
}

// rig is a configuration on a store of its own.
type rig struct {
	dir, file string
	environ   []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir()}
	r.file = r.write(t, "patchbay.yaml", fmt.Sprintf(
		// Port 0 is any that is free; where keys are made nothing must listen, as at 1.
		"server: {address: \"127.0.0.1:0\", admin_address: \"127.0.0.1:1\"}\n"+
			"providers:\n  local: {type: sqlite, path: %q}\n  catcher: {type: catcher, path: %q}\n",
		filepath.Join(r.dir, "data", "patchbay.db"), filepath.Join(r.dir, "mail")))
	return r
}

func (r *rig) write(t *testing.T, name, text string) (file string) {
	t.Helper()
	file = filepath.Join(r.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// anyPort lets the admin listener have any port that is free.
var anyPort = []string{"PATCHBAY_SERVER__ADMIN_ADDRESS=127.0.0.1:0"}

// run runs a command on the configuration.
func (r *rig) run(t *testing.T, args ...string) result {
	t.Helper()
	return run(t, r.environ, append([]string{"--config", r.file}, args...)...)
}

// expect runs a command, and checks its exit code and that standard error has a text.
func (r *rig) expect(t *testing.T, code int, text string, args ...string) {
	t.Helper()
	got := r.run(t, args...)
	if got.code != code {
		t.Errorf("%s: exit code = %d, want %d", args, got.code, code)
	}
	if !strings.Contains(got.stderr, text) {
		t.Errorf("%s: stderr = %q, want %q in it", args, got.stderr, text)
	}
}

func run(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Main(t.Context(), args, environ, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestHelpSucceedsAndUnknownWordsFail(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, args string
		code       int
		says       string
	}{
		{"nothing", "", 0, "serve"},
		{"help", "--help", 0, "--config"},
		{"help with a command", "keys create --help", 0, "--scopes"},
		{"a command with commands of its own", "keys", 0, "revoke"},
		{"an unknown command", "serv", 1, `unknown command "serv"`},
		{"an unknown flag", "check --verbose", 1, "unknown flag: --verbose"},
		{"an argument too many", "check now", 1, `unknown command "now"`},
		{"serve with an argument", "serve 8080", 1, `unknown command "8080"`},
		{"an argument too few", "keys revoke", 1, "accepts 1 arg(s), received 0"},
		{"two keys at once", "keys revoke a b", 1, "accepts 1 arg(s), received 2"},
		{"an invalid duration", "keys create --ttl soon", 1, "--ttl"},

		{"a command with a letter missing", "serv", 1, "did you mean serve?"},
		{"a command below another", "keys revok key_1", 1, `unknown command "revok" for "patchbay keys"; did you mean revoke?`},
		{"a command below another, with letters the wrong way round", "storage stauts", 1, "did you mean status?"},
		{"an unknown command similar to no other", "storage nope", 1, `unknown command "nope" for "patchbay storage"; there is backup,`},
		{"a command below another, with its flags", "payments resolv pay_1 --verdict executed", 1, "did you mean resolve?"},
		{"an unknown shell", "completion bsh", 1, "did you mean bash, zsh?"},
		{"help with an unknown command", "help keyz", 1, "did you mean keys?"},
		{"help with an unknown command below another", "help keys revok", 1, "did you mean revoke?"},
		{"help with a command, by its words", "help keys create", 0, "--scopes"},
		{"a flag with a letter missing", "keys list --confg x", 1, "unknown flag: --confg; did you mean --config?"},
		{"an unknown flag similar to no other", "keys list --quickly", 1, "there is --config, --help"},

		{"no configuration, by an empty flag", "check --config=", 1, "--config is given without a value"},
		{"a key for everything, by an empty flag", "keys create --name n --scopes=", 1, "--scopes is given without a value"},
		{"a key for everything, by an empty item", "keys create --name n --scopes=users:read,", 1, "--scopes is given without a value"},
		{"another store, by an empty flag", "storage reopen --provider=", 1, "--provider is given without a value"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := run(t, nil, strings.Fields(row.args)...)
			answer, silent := got.stdout, got.stderr
			if row.code != 0 {
				answer, silent = got.stderr, got.stdout
			}
			if got.code != row.code || !strings.Contains(answer, row.says) || silent != "" {
				t.Errorf("got %+v, want exit code %d, %q in the answer, and nothing on the other stream", got, row.code, row.says)
			}
			if row.code != 0 && !strings.HasPrefix(answer, "patchbay: ") {
				t.Errorf("answer = %q, want \"patchbay: \" at its start", answer)
			}
		})
	}
}

// A variable that is not set in a script leaves an empty word.
func TestAnEmptyArgumentIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"keys", "revoke", ""}, {"keys", "revoke", " "}, {"payments", "resolve", "", "--verdict", "noted"}, {"keys", ""}, {""}} {
		if got := run(t, nil, args...); got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, "empty") && !strings.Contains(got.stderr, "unknown command") {
			t.Errorf("%q: got %+v, want exit code 1, empty stdout, and \"empty\" or \"unknown command\" in stderr", args, got)
		}
	}
	environ := []string{"PATCHBAY_CONFIG="}
	if got := run(t, environ, "check"); got.code != 1 || !strings.Contains(got.stderr, "PATCHBAY_CONFIG is empty") {
		t.Errorf("got %+v, want exit code 1, %q in stderr", got, "PATCHBAY_CONFIG is empty")
	}
	if got := run(t, environ, "version"); got.code != 0 {
		t.Errorf("got %+v, want exit code 0", got)
	}
}

// Not in parallel: the version is one for all tests.
func TestVersionIsPrinted(t *testing.T) {
	for _, args := range []string{"version", "--version", "-v"} {
		cli.Version = ""
		if got := run(t, nil, args); got.code != 0 || !strings.HasPrefix(got.stdout, "patchbay ") || got.stderr != "" {
			t.Errorf("%s: got %+v, want exit code 0, %q at the start of stdout, empty stderr", args, got, "patchbay ")
		}
		cli.Version = "v1.2.3"
		t.Cleanup(func() { cli.Version = "" })
		if got := run(t, nil, args); got.stdout != "patchbay v1.2.3\n" {
			t.Errorf("%s: got %+v, want stdout %q", args, got, "patchbay v1.2.3\n")
		}
	}
}

func TestCheckReportsTheConfiguration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	t.Run("says what is configured, in full", func(t *testing.T) {
		t.Parallel()
		cwd, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		file := r.write(t, "check.yaml", "server: {address: \"127.0.0.1:80\", admin_address: \"127.0.0.1:81\"}\n"+
			"payments: {providers: [first, second]}\nproviders: {first: {type: mock}, second: {type: mock}}\n")
		want := "the configuration is right\n  API       127.0.0.1:80, keys not required\n  console   127.0.0.1:81\n" +
			"  payments  first (mock, simulated), then second (mock, simulated)\n  mail      catcher (catcher, simulated), from patchbay@localhost.localdomain\n  storage   local (sqlite): sqlite " + cwd + "/data/patchbay.db, which is not made yet\n"
		if got := run(t, nil, "check", "--config", file); got.code != 0 || got.stdout != want || got.stderr != "" {
			t.Errorf("got %+v, want exit code 0, stdout %q, empty stderr", got, want)
		}
	})
	t.Run("names what is wrong with the templates", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "welcome.html.hbs"), []byte("{{#if name}}"), 0o600); err != nil {
			t.Fatal(err)
		}
		for directory, want := range map[string]string{dir: "welcome: html, line 1", dir + "/missing": dir + "/missing"} {
			file := r.write(t, filepath.Base(directory)+".yaml", fmt.Sprintf("mail: {templates: {directory: %q}}\n", directory))
			if got := run(t, nil, "check", "--config", file); got.code != 1 || !strings.Contains(got.stderr, want) || got.stdout != "" {
				t.Errorf("got %+v, want exit code 1, %q in stderr, empty stdout", got, want)
			}
		}
	})
	t.Run("changes nothing", func(t *testing.T) {
		t.Parallel()
		if got := r.run(t, "check"); got.code != 0 {
			t.Fatalf("got %+v, want exit code 0", got)
		}
		if _, err := os.Stat(filepath.Join(r.dir, "data")); !os.IsNotExist(err) {
			t.Errorf("error of the data directory = %v, want that it does not exist", err)
		}
	})
	t.Run("says when keys are required", func(t *testing.T) {
		t.Parallel()
		if got := run(t, []string{"PATCHBAY_AUTH__MODE=required"}, "check", "--config", r.file); !strings.Contains(got.stdout, ", keys required\n") {
			t.Errorf("got %+v, want %q in stdout", got, ", keys required\n")
		}
	})
	t.Run("reads the file that the environment names, and rather the flag's", func(t *testing.T) {
		t.Parallel()
		wrong := r.write(t, "wrong.yaml", "log: {level: loud}\n")
		environ := []string{"PATH=/bin", "PATCHBAY_CONFIG=" + wrong}
		got := run(t, environ, "check")
		if got.code != 1 || !strings.Contains(got.stderr, "wrong.yaml:1: log.level") || got.stdout != "" {
			t.Errorf("got %+v, want exit code 1, %q in stderr, empty stdout", got, "wrong.yaml:1: log.level")
		}
		if got := run(t, environ, "check", "--config", r.file); got.code != 0 {
			t.Errorf("got %+v, want exit code 0", got)
		}
	})
	t.Run("cannot read what is not there", func(t *testing.T) {
		t.Parallel()
		got := run(t, nil, "check", "--config", filepath.Join(r.dir, "nowhere.yaml"))
		if got.code != 1 || !strings.Contains(got.stderr, "nowhere.yaml") || got.stdout != "" {
			t.Errorf("got %+v, want exit code 1, %q in stderr, empty stdout", got, "nowhere.yaml")
		}
	})
}

func TestEveryCommandRefusesAWrongConfiguration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.file = r.write(t, "wrong.yaml", "log: {level: loud}\n")
	for _, command := range []string{"serve", "check", "keys create --name n", "keys list", "keys revoke key_1"} {
		got := r.run(t, strings.Fields(command)...)
		if got.code != 1 || !strings.Contains(got.stderr, "log.level") || !strings.HasSuffix(got.stderr, "patchbay: the configuration has mistakes\n") || got.stdout != "" {
			t.Errorf("%s: got %+v, want exit code 1, %q in stderr, %q at the end of stderr, empty stdout", command, got, "log.level", "patchbay: the configuration has mistakes\n")
		}
	}
}

func TestServeRunsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	t.Run("ends well when it is told to", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var stdout, stderr testlog.Buffer
		code := make(chan int, 1)
		go func() { code <- cli.Main(ctx, []string{"serve", "--config", r.file}, anyPort, &stdout, &stderr) }()
		gateway.Eventually(t, 30*time.Second, "the gateway is ready", func() bool { return strings.Contains(stderr.String(), "gateway ready") })
		stop()
		select {
		case got := <-code:
			if got != 0 || stdout.String() != "" {
				t.Errorf("exit code = %d, stdout = %q, want 0 and nothing\n%s", got, stdout.String(), stderr.String())
			}
		case <-time.After(30 * time.Second):
			t.Error("serve still runs 30 seconds after its context ended, want an end")
		}
	})
	t.Run("fails where another listens already", func(t *testing.T) {
		t.Parallel()
		for _, setting := range []string{"address", "admin_address"} {
			r := newRig(t)
			other := listen(t, "127.0.0.1:0")
			defer other.Close()
			r.environ = []string{"PATCHBAY_SERVER__" + strings.ToUpper(setting) + "=" + other.Addr().String()}
			if setting == "address" {
				r.environ = append(r.environ, anyPort...)
			}
			got := r.run(t, "serve")
			if got.code != 1 || !strings.Contains(got.stderr, "patchbay: server."+setting+": ") || !strings.Contains(got.stderr, "address already in use") {
				t.Errorf("%s: got %+v, want exit code 1, %q in stderr, %q in stderr", setting, got, "patchbay: server."+setting+": ", "address already in use")
			}
		}
	})
	t.Run("keeps secrets that were referred to out of its log and its errors", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var stdout, stderr testlog.Buffer
		code := make(chan int, 1)
		environ := append([]string{"PATCHBAY_SERVER__ADDRESS=127.0.0.${PIN_SECRET}:0", "PIN_SECRET=217"}, anyPort...)
		go func() { code <- cli.Main(ctx, []string{"serve", "--config", r.file}, environ, &stdout, &stderr) }()
		gateway.Eventually(t, 30*time.Second, "the gateway is ready", func() bool { return strings.Contains(stderr.String(), "gateway ready") })
		stop()
		if got := <-code; got != 0 || !strings.Contains(stderr.String(), "url=http://127.0.0.[secret]:") || strings.Contains(stderr.String(), "127.0.0.217") {
			t.Errorf("exit code = %d, want 0, and the secret part of the address hidden\n%s", got, stderr.String())
		}
		r.environ = []string{"PATCHBAY_PROVIDERS__CATCHER__PATH=/proc/self/fdinfo/${file:" + r.write(t, "mounted", "hunter2\n") + "}"}
		if got := r.run(t, "serve"); got.code != 1 || !strings.Contains(got.stderr, "/proc/self/fdinfo/[secret]") || strings.Contains(got.stderr, "hunter2") {
			t.Errorf("got %+v, want exit code 1, %q in stderr, no %q in stderr", got, "/proc/self/fdinfo/[secret]", "hunter2")
		}
	})
	t.Run("fails where its secrets are damaged", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		if err := os.Mkdir(filepath.Join(r.dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		r.write(t, "data/installation.json", "{")
		r.expect(t, 1, "installation.json is damaged", "serve")
	})
}

func TestAWrongFurtherTypeIsAnErrorOfEveryCommand(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"simulate", "stripe"}, {"check"}, {"serve"}, {"keys", "list"}, {"help"}, {}} {
		var stdout, stderr strings.Builder
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what starts in spite of it ends at once
		code := cli.Main(ctx, args, nil, &stdout, &stderr, nil)
		if want := "patchbay: a type of provider is a <nil>"; code != 1 || !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("%q: code = %d, stderr = %q, want 1 and %q", args, code, stderr.String(), want)
		}
	}
}
