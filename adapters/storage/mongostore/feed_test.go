package mongostore

import (
	"testing"

	"go.mongodb.org/mongo-driver/bson"

	"patchbay/core/event"
	"patchbay/ports"
)

// A process may end when it has inserted an event into the feed, and before it has removed the
// event from its record.
func TestAnEventOfAnInterruptedPublishIsPublishedOnce(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	r := ports.Record{Tenant: "t", Kind: "k", ID: "1", Body: []byte("b"), Events: []event.Event{{ID: "fev_1", Tenant: "t"}}}
	if err := s.Save(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
	var interrupted publisher
	if err := s.records.FindOne(t.Context(), bson.D{}).Decode(&interrupted); err != nil {
		t.Fatal(err)
	}
	if err := s.insert(t.Context(), pending([]publisher{interrupted})); err != nil {
		t.Fatal(err)
	}
	r.Events = []event.Event{{ID: "fev_2", Tenant: "t"}}
	if err := s.Save(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		n, err := s.Publish(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if n != want {
			t.Errorf("call %d of Publish returned %d records, want %d", i+1, n, want)
		}
	}
	events, err := s.Feed(t.Context(), "t", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 {
		t.Fatalf("the feed has %d events, want 2", len(events))
	}
	for i, want := range []string{"fev_1", "fev_2"} {
		if e := events[i]; e.ID != want || e.Seq != int64(i+1) {
			t.Errorf("event %d = %s with number %d, want %s with number %d", i, e.ID, e.Seq, want, i+1)
		}
	}
}
