package webhooks_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/fault"
	"patchbay/core/webhooks"
)

// Events that wait or are set aside are counted, and logged once they have waited for long.
func TestWhatCannotBeAppliedIsCountedAndTold(t *testing.T) {
	tell := func(fails func(string, int) error, after time.Duration, parked, aside int, lines ...string) func(t *testing.T) {
		return func(t *testing.T) {
			within(t, fails, nil, func(t *testing.T, r rig) {
				began := time.Now()
				if err := deliver(t.Context(), r.Service, "acme", []byte("evt_1"), signed); err != nil {
					t.Fatal(err)
				}
				<-time.After(after)
				synctest.Wait()
				counts, err := r.Journal.Count(t.Context(), 100, append(webhooks.ParkedSets(), webhooks.AsideSets()...)...)
				if err != nil {
					t.Fatal(err)
				}
				if counts[0].N != parked || counts[1].N != aside {
					t.Errorf("%+v, want %d parked and %d set aside", counts, parked, aside)
				}
				if parked > 0 && !counts[0].First.Equal(began) {
					t.Errorf("parked since %s, want when it came, %s", counts[0].First, began)
				}
				got := strings.Split(strings.TrimSpace(r.log.String()), "\n")
				if len(lines) != len(got) && r.log.Len()+len(lines) > 0 {
					t.Fatalf("%d lines, want %d:\n%s", len(got), len(lines), r.log)
				}
				for i, want := range lines {
					if !strings.Contains(got[i], want) {
						t.Errorf("%s\nwant %s", got[i], want)
					}
				}
			})
		}
	}
	missing := func(string, int) error { return fault.New(fault.NotFound, "no_such_record", "") }
	early := func(_ string, try int) error {
		if try < 3 {
			return fault.New(fault.NotFound, "no_such_record", "")
		}
		return nil
	}
	const late, aside = `WARN msg="webhook cannot be applied yet; it is tried again" webhook=acme:evt_1 provider=acme`, `ERROR msg="webhook is set aside" webhook=acme:evt_1 provider=acme`
	t.Run("it is applied", tell(nil, time.Minute, 0, 0))
	t.Run("it waits for a moment", tell(missing, time.Minute, 1, 0))
	t.Run("it came a little early", tell(early, time.Minute, 0, 0))
	t.Run("it waits for long", tell(missing, time.Hour, 1, 0, late))
	t.Run("it is poison", tell(func(string, int) error { return fault.New(fault.Invalid, "broken", "") }, time.Minute, 0, 1, aside))
	t.Run("it is given up", tell(missing, 100*time.Hour, 0, 1, late, late, late, late, aside))
}
