package chaosmail_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"patchbay/tests/altered"
	"patchbay/tests/gateway"
)

// guard is a rule by which mail is neither lost nor doubled, and how the code reads without it.
type guard struct {
	name  string
	edits []altered.Edit
	finds []string // the kinds of problems of which there must be one without it
}

var guards = []guard{
	{
		name: "an attempt that was interrupted may have been executed",
		edits: []altered.Edit{{
			File: "core/emails/send.go", Is: "last.Outcome == email.Attempting {", Becomes: "last.Outcome == \"\" {",
		}},
		finds: []string{doubled},
	},
	{
		name: "mail is on disk before it is accepted",
		edits: []altered.Edit{{
			File:    "core/emails/emails.go",
			Is:      "\terr := s.insert(ctx, &st)\n\tif err == nil && !st.record.Held && st.record.Rev == 1 {",
			Becomes: later + "\tvar err error\n\tif st.message.ID == \"\" {",
		}},
		finds: []string{lost},
	},
	{
		name: "an interrupted attempt is not taken for a success",
		edits: []altered.Edit{{
			File: "core/emails/repeat.go", Is: `lost := fault.New(fault.UnknownOutcome, "interrupted", "the process ended during this attempt")`, Becomes: "var lost error",
		}},
		finds: []string{lost, imagined},
	},
	{
		name: "an ambiguous mail that may be sent once is left",
		edits: []altered.Edit{{
			File: "core/emails/send.go", Is: "case o == email.Ambiguous && st.message.Delivery == email.AtMostOnce:", Becomes: "case false:",
		}},
		finds: []string{doubled},
	},
	{
		name: "an attempt is on disk before the provider is called",
		edits: []altered.Edit{{
			File: "core/emails/send.go", Is: "\terr = s.save(ctx, st)\n\tif fault.Is(err, fault.UnknownOutcome) {", Becomes: "\tif fault.Is(err, fault.UnknownOutcome) {",
		}},
		finds: []string{doubled},
	},
}

// later stores a mail a little later, in the background.
const later = `	go func(st stored) {
		<-time.After(300 * time.Millisecond)
		if s.insert(context.Background(), &st) == nil {
			s.dispatch(context.Background(), st, first, placed)
		} else if placed {
			s.places.Release(first)
		}
	}(st)
	if st.message.ID != "" {
		return st.message, nil
	}
`

// soon is how long a run without a guard waits until everything has ended: some of it never does.
const soon = 15 * time.Second

// TestWithoutAGuard checks that the run finds what is wrong without each of the guards. make test only
// checks that they are where the edits expect them: building a gateway without each takes a while.
func TestWithoutAGuard(t *testing.T) {
	t.Parallel()
	for _, g := range guards {
		for _, e := range g.edits {
			e.Check(t)
		}
		if os.Getenv("PATCHBAY_CHAOS_MAILS") == "" {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			w := newWorld(t, seedOf(t), fewMails)
			w.Program = gateway.Altered(t, altered.Overlay(t, g.edits...))
			w.run(t, fewKills, soon)
			v := judge(w.collect(t))
			for _, what := range g.finds {
				if len(v.problems[what]) == 0 {
					t.Errorf("%s without the rule: got none, want some; there are %d kinds of problems: %v", what, len(v.problems), lines(v.tally(), "problems"))
					continue
				}
				t.Attr("count", fmt.Sprintf("%s: %d", what, len(v.problems[what])))
				t.Log(v.problems[what][0])
			}
		})
	}
}
