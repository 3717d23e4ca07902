package explore

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the environment may say: how long to explore, in how many processes, and which
// scenario alone.
const (
	varTime     = "PATCHBAY_EXPLORE_TIME" // 10m; the short form where empty
	varPart     = "PATCHBAY_EXPLORE_PART" // 0/2, within such a process
	varInto     = "PATCHBAY_EXPLORE_INTO" // the file for what it found
	varScenario = "PATCHBAY_EXPLORE_SCENARIO"
	varBound    = "PATCHBAY_EXPLORE_BOUND"
	varFind     = "PATCHBAY_EXPLORE_FIND" // what ends a search once it is found
)

// One goroutine after the other: two that are ready at once should go on in the same
// order each time.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}

func scenarios() []*Scenario {
	all := append(Payments(), Mail()...)
	if name := os.Getenv(varScenario); name != "" {
		all = slices.DeleteFunc(all, func(s *Scenario) bool { return s.Name != name })
	}
	return all
}

// TestExplore goes through all orders that depart from the usual one once, or as often
// as the scenario bears in a second; with a time, through as many as it takes.
func TestExplore(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv(varTime))
	switch {
	case os.Getenv(varTime) == "":
		short(t)
	case err != nil:
		t.Fatal(err)
	case os.Getenv(varPart) != "":
		part(t, d)
	default:
		parts(t, d, 2)
	}
}

func short(t *testing.T) {
	var all []result
	for _, s := range scenarios() {
		search, bound := NewSearch(s), max(s.Bound, 1)
		if n, err := strconv.Atoi(os.Getenv(varBound)); err == nil {
			bound = n
		}
		search.Find = os.Getenv(varFind)
		search.Until(t, time.Now().Add(5*time.Minute), bound)
		all = append(all, resultOf(search))
	}
	tell(t, all)
}

// result is what became of a search, or of the parts of one.
type result struct {
	Scenario                                          string
	Steps, Histories, States, Merged, Diverged, Bound int
	Waiting                                           int
	Found                                             []Violation
}

func resultOf(s *Search) result {
	r := result{
		Scenario: s.Scenario.Name, Steps: s.Steps, Histories: s.Histories, States: s.States(), Merged: s.Merged,
		Diverged: s.Diverged, Bound: s.Reached(), Waiting: s.Waiting(),
	}
	for _, v := range s.Found {
		r.Found = append(r.Found, v)
	}
	return r
}

// part explores one part of all scenarios until its time is up, each for as long as
// the others.
func part(t *testing.T, d time.Duration) {
	const slice = 200 * time.Millisecond
	n, of, _ := strings.Cut(os.Getenv(varPart), "/")
	var all []*Search
	spent := map[*Search]time.Duration{}
	for _, s := range scenarios() {
		search := NewSearch(s)
		search.Part, _ = strconv.Atoi(n)
		search.Of, _ = strconv.Atoi(of)
		all = append(all, search)
	}
	under := slices.Clone(all)
	for end := time.Now().Add(d); len(under) > 0 && time.Now().Before(end); {
		next := slices.MinFunc(under, func(a, b *Search) int { return int(spent[a] - spent[b]) })
		began := time.Now()
		if next.Until(t, began.Add(slice), 100) {
			under = slices.DeleteFunc(under, func(s *Search) bool { return s == next })
		}
		spent[next] += time.Since(began)
	}
	var results []result
	for _, s := range all {
		results = append(results, resultOf(s))
	}
	body, err := json.Marshal(results)
	if err == nil {
		err = os.WriteFile(os.Getenv(varInto), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// parts explores in several processes at once.
func parts(t *testing.T, d time.Duration, of int) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var all sync.WaitGroup
	for n := range of {
		all.Go(func() {
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestExplore$", "-test.timeout="+(d+10*time.Minute).String())
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d/%d", varPart, n, of), varInto+"="+filepath.Join(dir, strconv.Itoa(n)))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("part %d: %v\n%s", n, err, out)
			}
		})
	}
	all.Wait()
	var sum []result
	for n := range of {
		body, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(n)))
		var results []result
		if err == nil {
			err = json.Unmarshal(body, &results)
		}
		if err != nil {
			t.Fatal(err)
		}
		sum = merge(sum, results)
	}
	tell(t, sum)
}

func merge(sum, more []result) []result {
	if sum == nil {
		return more
	}
	for i, r := range more {
		s := &sum[i]
		s.Steps += r.Steps
		s.Histories += r.Histories
		s.States += r.States
		s.Merged += r.Merged
		s.Diverged += r.Diverged
		s.Waiting += r.Waiting
		s.Bound = min(s.Bound, r.Bound)
		s.Found = append(s.Found, r.Found...)
	}
	return sum
}

// tell prints what was done, and fails where something was wrong.
func tell(t *testing.T, all []result) {
	t.Helper()
	var sum result
	fmt.Printf("%-60s %9s %9s %9s %6s %s\n", "scenario", "steps", "histories", "states", "bound", "found")
	for _, r := range all {
		fmt.Printf("%-60s %9d %9d %9d %6d %d\n", r.Scenario, r.Steps, r.Histories, r.States, r.Bound, len(r.Found))
		sum.Steps, sum.Histories, sum.States = sum.Steps+r.Steps, sum.Histories+r.Histories, sum.States+r.States
		if r.Diverged > 0 {
			t.Errorf("%s: %d histories could not be run again, want none", r.Scenario, r.Diverged)
		}
		slices.SortStableFunc(r.Found, func(a, b Violation) int { return a.Departures - b.Departures })
		said := map[string]bool{}
		for _, v := range r.Found {
			if !said[v.Wrong] {
				t.Errorf("%s: %s", r.Scenario, v)
			}
			said[v.Wrong] = true
		}
	}
	fmt.Printf("%-60s %9d %9d %9d\n", "in all", sum.Steps, sum.Histories, sum.States)
}
