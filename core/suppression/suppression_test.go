package suppression_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/suppression"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	before = noon.Add(-time.Hour)
	after  = noon.Add(time.Hour)
)

func TestWhatEachReasonStops(t *testing.T) {
	t.Parallel()
	all := suppression.Policy{ComplaintsStopAll: true}
	for _, c := range []struct {
		reason               suppression.Reason
		policy               suppression.Policy
		transactional, stops bool
	}{
		{suppression.Bounced, suppression.Policy{}, true, true},
		{suppression.Manual, suppression.Policy{}, true, true},
		{suppression.Complained, suppression.Policy{}, false, true},
		{suppression.Complained, all, true, true},
		{suppression.Unsubscribed, suppression.Policy{}, false, true},
		{suppression.Unsubscribed, all, false, true},
	} {
		var s suppression.Suppression
		s.Learn(c.reason, noon, suppression.Source{})
		for category, want := range map[email.Category]bool{email.Transactional: c.transactional, "": c.transactional, email.Marketing: c.stops} {
			if got := s.Stops(category, c.policy) == c.reason; got != want {
				t.Errorf("%s with %+v stops %q mail = %t, want %t", c.reason, c.policy, category, got, want)
			}
		}
	}
}

func TestTheStrongestReasonIsNamed(t *testing.T) {
	t.Parallel()
	var s suppression.Suppression
	for _, r := range []suppression.Reason{suppression.Unsubscribed, suppression.Complained, suppression.Bounced} {
		s.Learn(r, noon, suppression.Source{})
		if got := s.Stops(email.Marketing, suppression.Policy{}); got != r {
			t.Errorf("the reason is %s, want %s", got, r)
		}
	}
	s.Remove(after, suppression.Bounced)
	if got := s.Stops(email.Marketing, suppression.Policy{}); got != suppression.Complained {
		t.Errorf("the reason without the bounce is %s, want complained", got)
	}
}

// In whichever order two events and a removal between them are learned, and however often, only the
// later event counts.
func TestTheOrderOfEventsDoesNotMatter(t *testing.T) {
	t.Parallel()
	steps := map[string]func(s *suppression.Suppression){
		"old": func(s *suppression.Suppression) {
			s.Learn(suppression.Bounced, before, suppression.Source{Code: "old"})
		},
		"removal": func(s *suppression.Suppression) { s.Remove(noon) },
		"new":     func(s *suppression.Suppression) { s.Learn(suppression.Bounced, after, suppression.Source{Code: "new"}) },
	}
	for _, order := range [][]string{
		{"old", "removal", "new"}, {"old", "removal", "new", "old", "new"}, {"removal", "new", "old"}, {"removal", "old", "new"},
	} {
		var s suppression.Suppression
		for _, name := range order {
			steps[name](&s)
		}
		counting := s.Counting()
		if len(counting) != 1 || counting[0].Source.Code != "new" {
			t.Errorf("%v: %+v counts, want the new event alone", order, counting)
		}
	}
}

func TestAnOlderEventDoesNotBringBackWhatWasRemoved(t *testing.T) {
	t.Parallel()
	for _, r := range suppression.Reasons() {
		var s suppression.Suppression
		s.Learn(suppression.Bounced, before, suppression.Source{})
		if !s.Remove(noon) {
			t.Error("Remove says that nothing counted, want true")
		}
		for _, at := range []time.Time{before, noon} {
			if s.Learn(r, at, suppression.Source{}) || len(s.Counting()) > 0 {
				t.Errorf("%s at %v counts after a removal at %v, want not", r, at, noon)
			}
		}
	}
}

// A provider's clock may be ahead of ours: then what is removed seems to be in the future.
func TestARemovalCoversAnEventByAClockThatIsAhead(t *testing.T) {
	t.Parallel()
	var s suppression.Suppression
	s.Learn(suppression.Complained, after, suppression.Source{})
	s.Remove(noon)
	if s.Learn(suppression.Complained, after, suppression.Source{}) || len(s.Counting()) > 0 {
		t.Errorf("the same event again counts: %+v", s.Counting())
	}
	if !s.Assert(suppression.Complained, noon, suppression.Source{}) || len(s.Counting()) != 1 {
		t.Errorf("what somebody adds after it counts not: %+v", s.Entries)
	}
}

func TestRemovingOneReasonLeavesTheOthers(t *testing.T) {
	t.Parallel()
	var s suppression.Suppression
	s.Learn(suppression.Bounced, before, suppression.Source{})
	s.Learn(suppression.Unsubscribed, before, suppression.Source{})
	s.Remove(noon, suppression.Bounced)
	if got := s.Stops(email.Transactional, suppression.Policy{}); got != "" {
		t.Errorf("transactional mail is stopped for %s, want not", got)
	}
	if got := s.Stops(email.Marketing, suppression.Policy{}); got != suppression.Unsubscribed {
		t.Errorf("marketing is stopped for %q, want unsubscribed", got)
	}
}

func TestAnAddressThatIsSuppressedAlreadyStaysAsItIs(t *testing.T) {
	t.Parallel()
	var s suppression.Suppression
	s.Assert(suppression.Manual, noon, suppression.Source{Note: "first"})
	if s.Assert(suppression.Manual, after, suppression.Source{Note: "second"}) {
		t.Error("Assert says that it changed something, want not")
	}
	if s.Learn(suppression.Manual, before, suppression.Source{}) {
		t.Error("an older event says that it changed something, want not")
	}
	if got := s.Entries[0].Source.Note; got != "first" {
		t.Errorf("the note is %q, want the first", got)
	}
}

func TestErasingKeepsTheReasons(t *testing.T) {
	t.Parallel()
	s := suppression.Suppression{ID: "sup_1", Email: "ada@example.com"}
	s.Learn(suppression.Bounced, before, suppression.Source{Provider: "first", Message: "msg_1", Code: "5.1.1"})
	s.Assert(suppression.Manual, before, suppression.Source{Note: "Ada called"})
	s.Erase(noon)
	if s.Email != "" || !s.ErasedAt.Equal(noon) || s.ID != "sup_1" {
		t.Errorf("got %+v, want no email, erased at %v, the id", s, noon)
	}
	var got []string
	for _, e := range s.Counting() {
		got = append(got, fmt.Sprint(e.Reason, e.Source))
	}
	if want := []string{"bounced{first  5.1.1 }", "manual{   }"}; !slices.Equal(got, want) {
		t.Errorf("left: %q, want %q", got, want)
	}
}

// A copy of a suppression does not change with it.
func TestAChangeLeavesCopiesAlone(t *testing.T) {
	t.Parallel()
	var s suppression.Suppression
	s.Learn(suppression.Bounced, before, suppression.Source{Message: "msg_1"})
	kept := s
	want := slices.Clone(s.Entries)
	s.Learn(suppression.Bounced, noon, suppression.Source{})
	s.Remove(after)
	s.Erase(after)
	if !reflect.DeepEqual(kept.Entries, want) {
		t.Errorf("the copy has %+v, want %+v", kept.Entries, want)
	}
}
