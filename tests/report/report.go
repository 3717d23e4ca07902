package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// judge is the attribute with which a test reports whether an external reference that it compares
// its results with was available: "NAME: present".
const judge = "judge"

// count is the attribute with which a test reports a count.
const count = "count"

// event is a line of go test -json: see go doc test2json and go help buildjson.
type event struct {
	Action      string
	Package     string
	ImportPath  string // instead of Package for compiler output
	Test        string // empty for the package as a whole
	Elapsed     float64
	Output      string
	FailedBuild string // the ImportPath of the build that failed
	Key, Value  string // of an attribute: see testing.T.Attr
}

// report reads events and prints a summary.
type report struct {
	out      io.Writer
	packages map[string]*results
	builds   map[string]string // import path → compiler output
	tally    tally
	contract map[contractRow]tally
	judges   map[string]bool // as reported by tests
	counts   []string        // by test
}

// results are the results of a package that is running.
type results struct {
	tests  []*test // in the order in which they started
	byName map[string]*test
	output strings.Builder // output that belongs to no test
	cached bool
}

// test is a test or subtest. A test with subtests is a group, which is not counted unless it fails
// although none of its subtests does.
type test struct {
	name    string
	verdict string // pass, fail or skip; empty while it runs
	group   bool
	output  strings.Builder
}

// tally counts tests, and packages that failed without a failed test.
type tally struct{ passed, failed, skipped int }

func (t *tally) add(o tally) {
	t.passed += o.passed
	t.failed += o.failed
	t.skipped += o.skipped
}

func newReport(out io.Writer) *report {
	return &report{
		out:      out,
		packages: make(map[string]*results),
		builds:   make(map[string]string),
		contract: make(map[contractRow]tally),
		judges:   make(map[string]bool),
	}
}

// read reads events until the end of r. A line that is not an event is printed unchanged.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(r.out, "%s\n", strings.TrimSuffix(string(line), "\n"))
			} else {
				r.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	if e.Action == "build-output" {
		r.builds[e.ImportPath] += e.Output
	}
	if e.Package == "" {
		return
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &results{byName: make(map[string]*test)}
		r.packages[e.Package] = p
	}
	switch e.Action {
	case "run":
		p.begin(e.Test)
	case "output":
		p.note(e.Test, e.Output)
	case "attr":
		switch e.Key {
		case judge:
			r.judges[e.Value] = true
		case count:
			r.counts = append(r.counts, e.Test+": "+e.Value)
		}
	case "pass", "fail", "skip":
		if t := p.byName[e.Test]; t != nil {
			t.verdict = e.Action
		} else if e.Test == "" {
			r.close(e, p)
			delete(r.packages, e.Package)
		}
	}
}

func (p *results) begin(name string) {
	t := &test{name: name}
	p.tests = append(p.tests, t)
	p.byName[name] = t
	for i := range len(name) {
		if name[i] == '/' {
			if parent := p.byName[name[:i]]; parent != nil {
				parent.group = true
			}
		}
	}
}

func (p *results) note(name, output string) {
	if strings.HasPrefix(output, "=== ") {
		return // === RUN and similar lines: the verdicts contain the same
	}
	if t := p.byName[name]; t != nil {
		t.output.WriteString(output)
		return
	}
	p.output.WriteString(output)
	p.cached = p.cached || strings.HasPrefix(output, "ok") && strings.HasSuffix(output, "(cached)\n")
}

// close prints the result of a package that has ended.
func (r *report) close(e event, p *results) {
	if len(p.tests) == 0 && e.Action != "fail" {
		return // it has no tests
	}
	var n tally
	var loud strings.Builder
	for _, t := range p.tests {
		one := p.count(t)
		n.add(one)
		if t.verdict != "pass" { // also for groups: they often have the trace of a panic
			fmt.Fprintf(&loud, "\n=== %s\n%s", t.name, t.output.String())
		}
		if row, ok := rowOf(e.Package, t.name); ok {
			sum := r.contract[row]
			sum.add(one)
			r.contract[row] = sum
		}
	}
	if e.Action == "fail" {
		if n.failed == 0 {
			n.failed = 1 // it did not build, or ended outside of a test
		}
		fmt.Fprintf(&loud, "\n%s%s", r.builds[e.FailedBuild], p.output.String())
	}
	r.tally.add(n)
	took := fmt.Sprintf("%.1fs", e.Elapsed)
	if p.cached {
		took = "cached"
	}
	fmt.Fprintf(r.out, "%-6s %-45s %s (%s)\n", word(n), e.Package, n, took)
	if loud.Len() > 0 {
		fmt.Fprintf(r.out, "%s\n", loud.String())
	}
}

// count returns what a test adds to the totals. A test without a verdict was cut off by a panic,
// the timeout or os.Exit.
func (p *results) count(t *test) tally {
	switch {
	case t.group && (t.verdict == "pass" || p.failedBelow(t)):
		return tally{}
	case t.verdict == "pass":
		return tally{passed: 1}
	case t.verdict == "skip":
		return tally{skipped: 1}
	default:
		return tally{failed: 1}
	}
}

func (p *results) failedBelow(parent *test) bool {
	return slices.ContainsFunc(p.tests, func(t *test) bool {
		return strings.HasPrefix(t.name, parent.name+"/") && t.verdict != "pass" && t.verdict != "skip"
	})
}

func word(n tally) string {
	switch {
	case n.failed > 0:
		return "FAIL"
	case n.skipped > 0:
		return "SKIP"
	default:
		return "ok"
	}
}

func (t tally) String() string {
	s := fmt.Sprintf("%d passed", t.passed)
	if t.failed > 0 {
		s += fmt.Sprintf(", %d failed", t.failed)
	}
	if t.skipped > 0 {
		s += fmt.Sprintf(", %d skipped", t.skipped)
	}
	return s
}

// finish prints the tables and the totals, and returns whether everything passed. goTest is the
// error of go test itself.
func (r *report) finish(goTest error) (ok bool) {
	if goTest != nil && r.tally.failed == 0 {
		fmt.Fprintf(r.out, "go test: %v\n", goTest)
		r.tally.failed = 1 // a wrong pattern or flag: no test was run
	}
	r.printContract()
	for _, line := range slices.Sorted(slices.Values(r.counts)) {
		fmt.Fprintf(r.out, "count  %s\n\n", line)
	}
	for _, line := range slices.Sorted(maps.Keys(r.judges)) {
		fmt.Fprintf(r.out, "judge  %s\n\n", line)
	}
	if r.tally == (tally{}) {
		fmt.Fprintln(r.out, "no test ran")
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.tally.passed, r.tally.failed, r.tally.skipped)
	return r.tally.passed > 0 && r.tally.failed == 0 && r.tally.skipped == 0
}
