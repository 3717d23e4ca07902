package e2e_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// TestAnswersAreAsRecorded makes the requests and runs the commands of testdata/answers/script.txt
// and compares all answers with those in testdata/answers/recorded.txt. A difference is a change
// that callers see: if it is intended, record the answers again and name it in the changelog.
//
// PATCHBAY_ANSWERS names a file to write the answers to instead. PATCHBAY_ANSWERS_OF names the
// binary to ask, for recording those of another version.
func TestAnswersAreAsRecorded(t *testing.T) {
	t.Parallel()
	g := gateway.New(t)
	g.Program = os.Getenv("PATCHBAY_ANSWERS_OF")
	g.Restart(t)
	script, err := os.ReadFile(filepath.Join("testdata", "answers", "script.txt"))
	if err != nil {
		t.Fatal(err)
	}
	r := recorder{g: g, names: map[string]string{}, counts: map[string]int{}}
	for step := range strings.SplitSeq(strings.TrimSpace(string(script)), "\n\n") {
		r.run(t, step)
	}
	if to := os.Getenv("PATCHBAY_ANSWERS"); to != "" {
		if err := os.WriteFile(to, r.out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(filepath.Join("testdata", "answers", "recorded.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(r.out.String(), "\n=== ")
	for i, recorded := range strings.Split(string(want), "\n=== ") {
		if i >= len(got) || got[i] != recorded {
			t.Errorf("got\n%s\nwant\n%s", slices.Concat(got, []string{"nothing"})[min(i, len(got))], recorded)
		}
	}
}

// recorder runs the steps of a script and writes down the answers. What differs from run to run,
// such as ids and times, is replaced: the same id by the same name.
type recorder struct {
	g      *gateway.Gateway
	out    bytes.Buffer
	names  map[string]string // by id
	counts map[string]int    // by prefix
	last   map[string]string // variables of the script
}

// run runs one step: comment lines, then a command, or a request with headers and a body.
// "NAME = " before a request keeps the id that is answered as $NAME. "admin" before a request
// sends it to the admin listener, "await VALUE" repeats it until the answer contains VALUE.
func (r *recorder) run(t *testing.T, step string) {
	t.Helper()
	lines := slices.DeleteFunc(strings.Split(step, "\n"), func(l string) bool { return strings.HasPrefix(l, "#") })
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(&r.out, "\n=== %s\n", strings.Join(lines, "\n"))
	first, name := r.fill(lines[0]), ""
	if before, after, ok := strings.Cut(first, " = "); ok {
		name, first = before, after
	}
	if args, ok := strings.CutPrefix(first, "patchbay "); ok {
		r.command(t, strings.Fields(args))
		return
	}
	awaited := ""
	if rest, ok := strings.CutPrefix(first, "await "); ok {
		awaited, first, _ = strings.Cut(rest, " ")
	}
	var answer gateway.Answer
	gateway.Eventually(t, 20*time.Second, first, func() bool {
		answer = r.request(t, first, lines[1:])
		return awaited == "" || strings.Contains(string(answer.Body), awaited)
	})
	if name != "" {
		if r.last == nil {
			r.last = map[string]string{}
		}
		r.last[name] = answer.Text("id")
	}
	fmt.Fprintf(&r.out, "--- %d\n", answer.Status)
	for _, header := range []string{"Content-Type", "Idempotency-Replayed", "ETag", "Location", "Retry-After", "Allow", "Cache-Control"} {
		if v := answer.Header.Get(header); v != "" {
			fmt.Fprintf(&r.out, "%s: %s\n", header, r.plain(v))
		}
	}
	var indented bytes.Buffer
	if json.Indent(&indented, answer.Body, "", " ") != nil {
		indented.Reset()
		indented.Write(answer.Body[:min(len(answer.Body), 2000)])
	}
	fmt.Fprintln(&r.out, r.plain(indented.String()))
}

func (r *recorder) request(t *testing.T, first string, rest []string) gateway.Answer {
	t.Helper()
	base := r.g.Base
	if admin, ok := strings.CutPrefix(first, "admin "); ok {
		base, first = r.g.Admin, admin
	}
	method, path, _ := strings.Cut(first, " ")
	header := gateway.Header{}
	body := ""
	for i, line := range rest {
		if name, value, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, "{") {
			header[name] = value
			continue
		}
		body = r.fill(strings.Join(rest[i:], "\n"))
		header["Content-Type"] = cmp.Or(header["Content-Type"], "application/json")
		break
	}
	if base == r.g.Admin {
		header["Authorization"] = r.g.Operator(t)["Authorization"]
		a, err := gateway.Send(t.Context(), method, base+path, []byte(body), header)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	return r.g.Wrong(t, method, path, []byte(body), header)
}

func (r *recorder) command(t *testing.T, args []string) {
	t.Helper()
	if len(args) > 0 && args[len(args)-1] != "--help" && args[0] != "version" {
		args = slices.Concat(args, r.g.Args)
	}
	cmd := r.g.Command(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	fmt.Fprintf(&r.out, "--- %d\n%s", cmd.ProcessState.ExitCode(), r.plain(stdout.String()))
	if stderr.Len() > 0 {
		fmt.Fprintf(&r.out, "--- stderr\n%s", r.plain(stderr.String()))
	}
}

// fill replaces $NAME by the id that was kept under the name.
func (r *recorder) fill(text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string { return cmp.Or(r.last[v[1:]], v) })
}

var (
	variable  = regexp.MustCompile(`\$[A-Z0-9]+`)
	instant   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	shortTime = regexp.MustCompile(`\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?`)
	token     = regexp.MustCompile(`pb_live_[0-9A-Za-z]+_[0-9A-Za-z]+`)
	identity  = regexp.MustCompile(`\b([a-z]{2,6}(?:_mock|_test|_live)?)_([0-9a-zA-Z]{12,})(_secret_[0-9a-zA-Z]+)?`)
	hash      = regexp.MustCompile(`\b[0-9a-f]{32,64}\b|\b[0-9A-Za-z_-]{40,}\b`)
	seconds   = regexp.MustCompile(`"(latencyMs|durationMs|uptimeSeconds|elapsedMs)": \d+`)
	cursor    = regexp.MustCompile(`"nextCursor": "[^"]+"`)
)

// plain replaces what differs from run to run.
func (r *recorder) plain(text string) string {
	text = strings.NewReplacer(r.g.Dir, "DIR", r.g.Base, "BASE", r.g.Admin, "ADMIN",
		strings.TrimPrefix(r.g.Base, "http://"), "ADDRESS", strings.TrimPrefix(r.g.Admin, "http://"), "ADMIN_ADDRESS").Replace(text)
	text = token.ReplaceAllString(text, "TOKEN")
	text = cursor.ReplaceAllString(text, `"nextCursor": "CURSOR"`)
	text = instant.ReplaceAllString(text, "TIME")
	text = shortTime.ReplaceAllString(text, "TIME")
	text = strings.ReplaceAll(text, `"status": "sending"`, `"status": "queued"`) // whichever is met
	text = seconds.ReplaceAllString(text, `"$1": 0`)
	text = identity.ReplaceAllStringFunc(text, func(id string) string {
		if _, known := r.names[id]; !known {
			parts := identity.FindStringSubmatch(id)
			r.counts[parts[1]+parts[3][:min(len(parts[3]), 1)]]++
			r.names[id] = fmt.Sprintf("%s_%d", parts[1], r.counts[parts[1]+parts[3][:min(len(parts[3]), 1)]])
			if parts[3] != "" {
				r.names[id] += "_secret"
			}
		}
		return r.names[id]
	})
	return hash.ReplaceAllString(text, "HASH")
}
