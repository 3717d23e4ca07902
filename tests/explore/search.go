package explore

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Search runs the histories of one scenario: first the default order, then every history that
// departs from it once, then twice, and so on. Each history is run from its beginning up to its
// departure. It ends when it reaches a state that was visited before, since everything that follows
// has been explored with as many departures left or more.
type Search struct {
	Scenario *Scenario
	Find     string // the search ends when it has found a violation with this text
	Part, Of int    // this search runs every Of-th of the histories with one departure

	Steps, Histories, Merged int
	Level                    int // the number of departures on the current level
	Done                     int // how many histories of the current level are done
	Diverged                 int // histories that could not be reproduced, which would invalidate the search

	strayed int

	now, next []*node
	visited   map[uint64]struct{}
	Found     map[string]Violation // by description
}

// Violation is a violated rule, with the shortest history that leads to it.
type Violation struct {
	Wrong      string
	Departures int
	Lines      []string
}

// String lists the history.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, after %d departures from the usual order (marked *):\n", v.Wrong, v.Departures)
	for i, line := range v.Lines {
		fmt.Fprintf(&b, "%4d  %s\n", i+1, line)
	}
	return b.String()
}

// node is a history: its parent's up to a step, and another option there.
type node struct {
	parent *node
	id     uint32
	step   int32
	option int32
	depth  int32
}

// NewSearch returns a Search that has not run any history yet.
func NewSearch(s *Scenario) *Search {
	return &Search{Scenario: s, Of: 1, now: []*node{{step: -1}}, visited: map[uint64]struct{}{}, Found: map[string]Violation{}}
}

// Next runs one history of the current level. It returns false if the level is done.
func (s *Search) Next(t *testing.T, grow bool) bool {
	if s.Done >= len(s.now) {
		return false
	}
	n := s.now[s.Done]
	s.now[s.Done] = nil
	s.Done++
	s.Histories++
	var lines []string
	for _, wrong := range s.again(t, n, grow, nil) {
		if _, known := s.Found[wrong]; known {
			continue
		}
		if lines == nil {
			s.again(t, n, false, &lines)
		}
		s.Found[wrong] = Violation{wrong, int(n.depth), lines}
	}
	return true
}

// Deepen goes to the next level. It returns false if that has no histories.
func (s *Search) Deepen() bool {
	if s.Level == 0 && s.Of > 1 {
		mine := s.next[:0]
		for i, n := range s.next {
			if i%s.Of == s.Part {
				mine = append(mine, n)
			}
		}
		s.next = mine
	}
	s.now, s.next, s.Done = s.next, nil, 0
	s.Level++
	return len(s.now) > 0
}

// States returns how many different states were visited.
func (s *Search) States() int { return len(s.visited) }

// Waiting returns how many histories of the current level remain.
func (s *Search) Waiting() int { return len(s.now) - s.Done }

// tries is how often a history that did not reach its departure is run again. If several cases of a
// select are ready, Go chooses one at random: at most one history in ten strays, and among hundreds
// of thousands some stray repeatedly.
const tries = 500

func (s *Search) again(t *testing.T, n *node, grow bool, labels *[]string) (wrong []string) {
	for range tries {
		before := s.strayed
		if wrong = s.run(t, n, grow, labels); s.strayed == before {
			return wrong
		}
		if labels != nil {
			*labels = nil
		}
	}
	s.Diverged++
	return nil
}

// run runs one history and returns its violations.
func (s *Search) run(t *testing.T, n *node, grow bool, labels *[]string) (wrong []string) {
	path := n.path()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s.Scenario)
		w.labels = labels
		defer w.close()
		if s.lead(w, n, path, grow) {
			w.end()
		}
		s.Steps += w.taken
		wrong = w.wrong
	})
	return wrong
}

// widest is the maximum number of histories of a level, to bound memory. More are dropped, since
// running them would take too long.
const widest = 1_000_000

// longest is the number of steps after which there are no more choices, unless the scenario sets
// another.
const longest = 80

// lead takes a history through its departures, and records the departures that are possible
// afterwards. It returns false if the history need not continue.
func (s *Search) lead(w *world, n *node, path []*node, grow bool) bool {
	end := int32(longest)
	if n := s.Scenario.Longest; n > 0 {
		end = int32(n)
	}
	for step := int32(0); step < end; step++ {
		w.settle()
		grow = grow && len(w.wrong) == 0 // histories after a violation are not explored
		if step > n.step && w.labels == nil {
			state := w.state()
			if _, known := s.visited[state]; known {
				s.Merged++
				return false
			}
			s.visited[state] = struct{}{}
		}
		all := w.options()
		if len(all) == 0 {
			return true
		}
		pick := int32(0)
		if len(path) > 0 && path[0].step == step {
			pick = path[0].option
			if int(pick) >= len(all) || all[pick].id != path[0].id {
				s.strayed++
				return false
			}
			path = path[1:]
		} else if step > n.step && grow {
			for i := 1; i < len(all) && len(s.next) < widest; i++ {
				s.next = append(s.next, &node{n, all[i].id, step, int32(i), n.depth + 1})
			}
		}
		w.take(all[pick])
		if w.labels != nil && pick > 0 {
			(*w.labels)[len(*w.labels)-1] = "* " + (*w.labels)[len(*w.labels)-1]
		}
	}
	return true
}

// path returns the departures from the beginning on.
func (n *node) path() []*node {
	if n.parent == nil {
		return nil
	}
	return append(n.parent.path(), n)
}

// Until runs histories until a time, or until all histories up to a bound are done. It returns true
// in the latter case.
func (s *Search) Until(t *testing.T, end time.Time, bound int) bool {
	if s.Scenario.Once {
		bound = 0
	}
	for {
		for s.Next(t, s.Level < bound) {
			if time.Now().After(end) || s.Find != "" && s.found(s.Find) {
				return false
			}
		}
		if s.Level >= bound || !s.Deepen() {
			return true
		}
	}
}

func (s *Search) found(text string) bool {
	for wrong := range s.Found {
		if strings.Contains(wrong, text) {
			return true
		}
	}
	return false
}

// Reached returns the largest number of departures for which every history was run.
func (s *Search) Reached() int {
	if s.Waiting() > 0 {
		return s.Level - 1
	}
	return s.Level
}
