package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The recordings are of go test -json, times removed, on small packages written
// for this.
func TestReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		recording string
		goTest    error
		wantOK    bool
		wantLast  string
		want      []string
	}{
		{
			recording: "passing", wantOK: true, wantLast: "5 passed, 0 failed, 0 skipped",
			want: []string{
				"patchbay/core/money                           1 passed (cached)",
				"contract  journal  sqlitestore  3 passed\n",
				"contract  users    sqlitestore  1 passed\n",
				"\njudge  Acme's schema: absent\n",
				"\ncount  TestContract: 3 sheep\n",
			},
		},
		{
			recording: "failing", goTest: errExit, wantLast: "2 passed, 2 failed, 0 skipped",
			want: []string{
				"FAIL   patchbay/adapters/mail/catchermail",
				"a_test.go:6: it was taken",
				"a_test.go:9: a file is left",
				"contract  mail  catchermail  1 passed, 1 failed\n",
			},
		},
		{
			recording: "broken", goTest: errExit, wantLast: "1 passed, 1 failed, 0 skipped",
			want: []string{"FAIL   patchbay/core/broken", "a_test.go:3:29: undefined: missing", "ok     patchbay/core/money"},
		},
		{
			recording: "panicking", goTest: errExit, wantLast: "1 passed, 1 failed, 0 skipped",
			want: []string{"panic: lost", "patchbay/core/panics.TestSecond.func1"},
		},
		{
			recording: "exiting", goTest: errExit, wantLast: "1 passed, 1 failed, 0 skipped",
			want: []string{"FAIL   patchbay/core/exits", "goroutine leaked"},
		},
		{
			recording: "skipping", wantLast: "1 passed, 0 failed, 1 skipped",
			want: []string{"SKIP   patchbay/core/skips", "no docker here"},
		},
	} {
		t.Run(c.recording, func(t *testing.T) {
			t.Parallel()
			events, err := os.ReadFile(filepath.Join("testdata", c.recording+".json"))
			if err != nil {
				t.Fatal(err)
			}
			got, ok := render(t, string(events), c.goTest)
			if ok != c.wantOK {
				t.Errorf("ok = %v, want %v", ok, c.wantOK)
			}
			if last := lastLine(got); last != c.wantLast {
				t.Errorf("last line %q, want %q", last, c.wantLast)
			}
			for _, w := range c.want {
				if !strings.Contains(got, w) {
					t.Errorf("lacks %q:\n%s", w, got)
				}
			}
		})
	}
}

func TestReportOfNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, events string
		goTest       error
		wantLast     string
	}{
		{"no package", "", nil, "0 passed, 0 failed, 0 skipped"},
		{"go test refuses its arguments", "", errExit, "0 passed, 1 failed, 0 skipped"},
		{"a package without tests", `{"Action":"skip","Package":"patchbay/core/empty"}`, nil, "0 passed, 0 failed, 0 skipped"},
		{"a test cut off by the time-out", cutOff, errExit, "0 passed, 1 failed, 0 skipped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := render(t, c.events, c.goTest)
			if ok {
				t.Error("ok = true")
			}
			if last := lastLine(got); last != c.wantLast {
				t.Errorf("last line %q, want %q", last, c.wantLast)
			}
		})
	}
}

const cutOff = `{"Action":"run","Package":"p","Test":"TestHangs"}
{"Action":"run","Package":"p","Test":"TestHangs/for_ever"}
{"Action":"fail","Package":"p"}`

func TestLinesThatAreNoEventsAreShown(t *testing.T) {
	t.Parallel()
	if got, _ := render(t, "go: downloading\n", nil); !strings.HasPrefix(got, "go: downloading\n") {
		t.Errorf("got %q", got)
	}
}

var errExit = errors.New("exit status 1")

func render(t *testing.T, events string, goTest error) (printed string, ok bool) {
	t.Helper()
	var out strings.Builder
	r := newReport(&out)
	if err := r.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	ok = r.finish(goTest)
	return out.String(), ok
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return lines[len(lines)-1]
}
