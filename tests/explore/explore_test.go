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

// The environment variables: how long to explore, in how many processes, and which scenario only.
const (
	varTime     = "PATCHBAY_EXPLORE_TIME" // such as 10m; if empty, the short form
	varPart     = "PATCHBAY_EXPLORE_PART" // such as 0/2: set by the test for its own processes
	varInto     = "PATCHBAY_EXPLORE_INTO" // the file for the results of such a process
	varScenario = "PATCHBAY_EXPLORE_SCENARIO"
	varBound    = "PATCHBAY_EXPLORE_BOUND"
	varFind     = "PATCHBAY_EXPLORE_FIND" // a text: the search ends once it has found a violation with it
)

// TestMain lets one goroutine run at a time, so that two that are ready continue in the same order
// each time.
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

// TestExplore runs each scenario in all orders that depart from the usual one at most as often as the
// scenario's bound says. With PATCHBAY_EXPLORE_TIME it runs more orders until the time is up. No order
// may violate a rule.
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
	report(t, all)
}

// result is the result of a search, or the sum of its parts.
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

// part explores one part of all scenarios until its time is up. Each scenario gets the same time.
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

// parts explores in several processes at the same time, and adds up their results.
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
	report(t, sum)
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

// report prints the results, and fails the test for each violation.
func report(t *testing.T, all []result) {
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
		reported := map[string]bool{}
		for _, v := range r.Found {
			if !reported[v.Wrong] {
				t.Errorf("%s: got a violation, want none: %s", r.Scenario, v)
			}
			reported[v.Wrong] = true
		}
	}
	fmt.Printf("%-60s %9d %9d %9d\n", "in all", sum.Steps, sum.Histories, sum.States)
}
