package chaosmail_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The kinds of problems that a verdict finds.
const (
	unaccepted = "requests that were not accepted"
	misled     = "answers that are wrong"
	lost       = "accepted mails that are lost"
	twiceKept  = "mails that are kept twice"
	endless    = "mails that do not end"
	unfounded  = "mails in a final state without its reason"
	doubled    = "second copies under at_most_once"
	needless   = "second copies though the first was answered"
	afterwards = "attempts after one that was accepted"
	imagined   = "acceptances that no provider knows of"
	stray      = "copies that nobody asked for"
	misquoted  = "copies that say something else than was asked for, or name others"
)

// verdict compares what was asked for with what the providers did and what the gateway tells.
type verdict struct {
	*facts
	problems  map[string][]string
	counts    map[string]int
	known     map[string][]entry     // by address
	got       map[string][]*delivery // by address, oldest first
	attempts  map[string]*attempt    // by id
	byMessage map[*attempt]*stored
}

// entry is a recipient of a message.
type entry struct {
	*stored
	status string
}

// judge finds everything that is wrong.
func judge(f *facts) *verdict {
	v := &verdict{
		facts: f, problems: map[string][]string{}, counts: map[string]int{}, known: map[string][]entry{}, got: map[string][]*delivery{},
		attempts: map[string]*attempt{}, byMessage: map[*attempt]*stored{},
	}
	for _, wrong := range f.wrong {
		v.problem(misled, "%s", wrong)
	}
	for i := range f.messages {
		m := &f.messages[i]
		for _, r := range m.Recipients {
			v.known[r.Email] = append(v.known[r.Email], entry{m, r.Status})
		}
		for n := range m.Attempts {
			v.attempts[m.Attempts[n].ID], v.byMessage[&m.Attempts[n]] = &m.Attempts[n], m
		}
	}
	for i := range f.copies {
		v.checkCopy(&f.copies[i])
	}
	for i := range f.messages {
		v.checkAttempts(&f.messages[i])
	}
	for _, m := range f.mails {
		v.checkMail(m)
	}
	return v
}

func (v *verdict) problem(what, example string, args ...any) {
	v.problems[what] = append(v.problems[what], fmt.Sprintf(example, args...))
}

// checkCopy checks that a copy is one that was asked for.
func (v *verdict) checkCopy(d *delivery) {
	v.counts["copies: "+d.provider]++
	for _, address := range d.to {
		m := v.mailOf(address)
		if m == nil || !slices.ContainsFunc(m.everybody(), func(p person) bool { return p.address == address }) {
			v.problem(stray, "%s at %s", address, d.provider)
			return
		}
		v.got[address] = append(v.got[address], d)
		if err := m.check(d.raw, d.to); err != nil {
			v.problem(misquoted, "to %s at %s: %v", address, d.provider, err)
		}
	}
}

// checkAttempts checks that an email is not sent on once a provider has accepted it, and that the
// provider has done so.
func (v *verdict) checkAttempts(m *stored) {
	for i := range m.Attempts {
		a := &m.Attempts[i]
		v.counts["attempts: "+a.Outcome]++
		if a.Outcome != "accepted" {
			continue
		}
		executed := func(d delivery) bool {
			return d.provider == a.Provider && (d.attempt == a.ID || d.attempt == "" && d.reference == a.Reference)
		}
		if !slices.ContainsFunc(v.copies, executed) {
			v.problem(imagined, "%s of %s at %s", a.ID, m.ID, a.Provider)
		}
		for _, other := range m.Attempts {
			if !a.EndedAt.IsZero() && other.StartedAt.After(a.EndedAt) {
				v.problem(afterwards, "%s: %s at %s after %s at %s", m.ID, other.ID, other.Provider, a.ID, a.Provider)
			}
		}
	}
}

// checkMail checks what became of a mail.
func (v *verdict) checkMail(m *mail) {
	id, ok := v.accepted[m.key()]
	if !ok {
		v.problem(unaccepted, "%s", m.key())
		return
	}
	for _, p := range m.everybody() {
		v.counts["recipients: "+m.delivery]++
		entries := v.known[p.address]
		switch {
		case len(entries) == 0:
			v.problem(lost, "%s, accepted as %s: the gateway does not know it, and there are %d copies", p.address, id, len(v.got[p.address]))
			continue
		case len(entries) > 1:
			v.problem(twiceKept, "%s: %s and %s", p.address, entries[0].ID, entries[1].ID)
		case m.way == single && entries[0].ID != id, m.way == batch && entries[0].BatchID != id:
			v.problem(misled, "%s was accepted as %s and is %s", p.address, id, entries[0].ID)
		}
		v.counts["states: "+m.delivery+" "+entries[0].status]++
		v.checkState(m, p, entries[0])
		v.checkCopies(m, p, entries[0])
	}
}

// checkState checks that a recipient's state is one that explains itself.
func (v *verdict) checkState(m *mail, p person, e entry) {
	n := len(v.got[p.address])
	switch e.status {
	case "sent", "delivered":
		if n == 0 {
			v.problem(lost, "%s is %s, and there is no copy: %s", p.address, e.status, e.show())
		}
	case "queued", "sending":
		v.problem(endless, "%s is %s: %s", p.address, e.status, e.show())
	case "unknown":
		if !slices.ContainsFunc(e.Attempts, func(a attempt) bool { return v.inDoubt(&a) }) {
			v.problem(unfounded, "%s is unknown under %s: %s", p.address, m.delivery, e.show())
		}
	case "failed":
		if strings.Contains(p.address, refusedMark) {
			return
		}
		// The others fail with one whom a provider refuses without a name, which SMTP never does.
		refused := func(d drawn) bool { return d.means == badAddress || d.means == turnedDown }
		if !slices.ContainsFunc(e.Attempts, func(a attempt) bool { return slices.ContainsFunc(v.faults[a.ID], refused) }) {
			v.problem(unfounded, "%s has failed: %s", p.address, e.show())
		}
		v.counts["beside: "+m.delivery]++
	case "bounced": // refused by name
		if !strings.Contains(p.address, refusedMark) || n > 0 {
			v.problem(unfounded, "%s is bounced, and there are %d copies: %s", p.address, n, e.show())
		}
	case "suppressed": // an address that a provider has refused is not tried again
		if !strings.Contains(p.address, refusedMark) {
			v.problem(unfounded, "%s is suppressed: %s", p.address, e.show())
		}
	default:
		v.problem(unfounded, "%s is %s: %s", p.address, e.status, e.show())
	}
}

// checkCopies checks that copies beyond the first come after ones of which the gateway could not know.
func (v *verdict) checkCopies(m *mail, p person, e entry) {
	got := v.got[p.address]
	switch n := len(got); {
	case n < 2:
		return
	case m.delivery == atMostOnce:
		v.problem(doubled, "%s got %d copies, from %s at %s and %s at %s: %s",
			p.address, n, got[0].provider, got[0].at.Format(clockTime), got[1].provider, got[1].at.Format(clockTime), e.show())
		return
	}
	v.counts["second copies: "+atLeastOnce] += len(got) - 1
	for _, d := range got[:len(got)-1] {
		if !v.unanswered(d, v.attemptOf(d, e.stored)) {
			v.problem(needless, "%s got %d copies, though %s answered at %s: %s", p.address, len(got), d.provider, d.at.Format(clockTime), e.show())
		}
	}
}

// attemptOf returns the attempt that a copy belongs to. SMTP does not carry its id: there it is the last
// one that had begun. A server may execute what was sent before the connection broke.
func (v *verdict) attemptOf(d *delivery, m *stored) (last *attempt) {
	if d.attempt != "" {
		return v.attempts[d.attempt]
	}
	for i := range m.Attempts {
		if a := &m.Attempts[i]; a.Provider == d.provider && !a.StartedAt.After(d.at) {
			last = a
		}
	}
	return last
}

// clockTime is the layout of times in examples.
const clockTime = "15:04:05.000"

func (e entry) show() string {
	text := e.ID
	for _, a := range e.Attempts {
		text += fmt.Sprintf("; %s %s %s from %s to %s", a.Provider, a.Outcome, a.Code, a.StartedAt.Format(clockTime), a.EndedAt.Format(clockTime))
	}
	return text
}

// report fails the test if there is a problem, with up to three examples of each kind.
func (v *verdict) report(t *testing.T) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(v.problems)) {
		examples := v.problems[what]
		t.Errorf("%s: got %d, want 0, such as\n%s", what, len(examples), strings.Join(examples[:min(3, len(examples))], "\n"))
	}
}

// tally counts the problems of each kind.
func (v *verdict) tally() map[string]int {
	all := map[string]int{}
	for what, examples := range v.problems {
		all["problems: "+what] = len(examples)
	}
	return all
}

// lines returns the counts that begin with a word, in a line, or "none".
func lines(counts map[string]int, word string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if rest, ok := strings.CutPrefix(name, word+": "); ok {
			all = append(all, fmt.Sprintf("%s %d", rest, counts[name]))
		}
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
