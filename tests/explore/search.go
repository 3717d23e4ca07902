package explore

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Search goes through the orders of one scenario: first what happens by default, then
// every history that departs from it once, then twice, and so on. A history is run
// again from its beginning, up to where it departs; where it comes to a state that was
// there before, it ends, since all that follows has been gone through, with as many
// departures left or more.
type Search struct {
	Scenario *Scenario
	Find     string // what is to be found: it ends there
	Part, Of int    // of the histories that depart once, every Of-th is its own

	Steps, Histories, Merged int
	Level                    int // the departures of the level under way
	Done                     int // of its histories
	Diverged                 int // histories that could not be run again: the search would be broken

	strayed int

	now, next []*node
	visited   map[uint64]struct{}
	Found     map[string]Violation // by what is wrong
}

// Violation is what is wrong, with the shortest history that led there.
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

// node is a history: that of its parent up to a step, and there another option.
type node struct {
	parent *node
	id     uint32
	step   int32
	option int32
	depth  int32
}

// NewSearch makes a Search of which nothing is done yet.
func NewSearch(s *Scenario) *Search {
	return &Search{Scenario: s, Of: 1, now: []*node{{step: -1}}, visited: map[uint64]struct{}{}, Found: map[string]Violation{}}
}

// Next runs one history of the level under way. It is false where that is done.
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

// Deepen goes on to the next level. It is false where there is none.
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

// States is how many different ones were met.
func (s *Search) States() int { return len(s.visited) }

// Waiting is how many histories of the level under way are left.
func (s *Search) Waiting() int { return len(s.now) - s.Done }

// tries is how often a history is run again that did not come to where it departs.
// Where several cases of a select are ready at once, Go takes any: a history in ten or
// less strays, and of hundreds of thousands some do so again and again.
const tries = 500

func (s *Search) again(t *testing.T, n *node, grow bool, trace *[]string) (wrong []string) {
	for range tries {
		before := s.strayed
		if wrong = s.run(t, n, grow, trace); s.strayed == before {
			return wrong
		}
		if trace != nil {
			*trace = nil
		}
	}
	s.Diverged++
	return nil
}

// run runs one history, and says what went wrong.
func (s *Search) run(t *testing.T, n *node, grow bool, trace *[]string) (wrong []string) {
	path := n.path()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s.Scenario)
		w.trace = trace
		defer w.close()
		if s.lead(w, n, path, grow) {
			w.end()
		}
		s.Steps += w.taken
		wrong = w.wrong
	})
	return wrong
}

// widest is how many histories a level may have, for the memory they take: what is
// beyond is left out, since nobody waits for so many.
const widest = 1_000_000

// longest is after how many steps no more choices are made, where the scenario does not
// say.
const longest = 80

// lead takes a history through its departures, and notes those that could come after.
// It is false where it need not go on.
func (s *Search) lead(w *world, n *node, path []*node, grow bool) bool {
	end := int32(longest)
	if n := s.Scenario.Longest; n > 0 {
		end = int32(n)
	}
	for step := int32(0); step < end; step++ {
		w.settle()
		grow = grow && len(w.wrong) == 0 // what follows from a mistake is not looked for
		if step > n.step && w.trace == nil {
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
		if w.trace != nil && pick > 0 {
			(*w.trace)[len(*w.trace)-1] = "* " + (*w.trace)[len(*w.trace)-1]
		}
	}
	return true
}

// path are the departures from the beginning on.
func (n *node) path() []*node {
	if n.parent == nil {
		return nil
	}
	return append(n.parent.path(), n)
}

// Until runs histories until a moment, or until those of a bound are done. It reports
// whether they are.
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

// Reached is the bound up to which every history was run.
func (s *Search) Reached() int {
	if s.Waiting() > 0 {
		return s.Level - 1
	}
	return s.Level
}
