package webhooks_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/core/webhooks"
	"patchbay/core/worker"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// An event that cannot be decoded is kept as it came: it is not applied, and neither its worker
// nor an erasure changes it.
func TestAnEventThatCannotBeDecodedIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`null`, `{}`, `[]`, `{"id":"pay_1","amount":100}`, `{"event":"of a version to come"}`, `{"event":{"provider":"acme","id":"other"}}`,
		`{"recordVersion":2,"event":{"provider":"acme","id":"1","object":{"a":1}}}`,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				journal := memjournal.New(clock.System{})
				waits := &ports.Record{
					Tenant: "acme", Kind: webhooks.Kind, ID: "acme:1", Body: []byte(body), Queue: "webhooks", Due: time.Now(), Index: ports.Index{Status: "waiting"},
				}
				if err := journal.Save(t.Context(), waits)[0]; err != nil {
					t.Fatal(err)
				}
				e := &effects{tries: map[string]int{}, done: map[string]int{}}
				s := webhooks.New(webhooks.Options{
					Journal: journal, Clock: clock.System{}, Owner: "one", Log: slog.New(slog.DiscardHandler), Accounts: []string{"acme"},
					Routes: map[string]webhooks.Route{"acme": {Verifier: verifier{}, Apply: e.apply}},
				})
				ctx, stop := context.WithTimeout(t.Context(), 8*time.Hour) // it is set aside after seven
				defer stop()
				s.Run(ctx)
				r, err := journal.Get(t.Context(), "acme", webhooks.Kind, "acme:1")
				if err != nil || string(r.Body) != body || r.Queue != worker.Aside || r.Index.Status != "waiting" || len(e.tries) != 0 {
					t.Errorf("%s in %q, %s; %v applied, %v, want body %v, queue %v, waiting, no tries", r.Body, r.Queue, r.Index.Status, e.tries, err, body, worker.Aside)
				}
				var passed []user.PersonalObject
				err = s.PersonalObjects(t.Context(), user.Person{Tenant: "t"}, func(int) error { return nil }, func(o user.PersonalObject) error {
					passed = append(passed, o)
					return nil
				})
				if err != nil || len(passed) != 1 || passed[0].ID != "acme:1" || !record.IsUndecodable(passed[0].Unreadable) || passed[0].Erase != nil {
					t.Errorf("whether it is the person's: got %+v, %v, want that it cannot be read", passed, err)
				}
				if r, _ := journal.Get(t.Context(), "acme", webhooks.Kind, "acme:1"); string(r.Body) != body {
					t.Errorf("it is %s then, want %v", r.Body, body)
				}
			})
		})
	}
}
