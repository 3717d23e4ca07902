package mongostore

import (
	"testing"

	"go.mongodb.org/mongo-driver/bson"

	"patchbay/core/event"
	"patchbay/ports"
	"patchbay/tests/mongod"
)

// A publisher that dies has perhaps told the feed and not the record.
func TestAnEventWhosePublisherDiedIsToldOnce(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{URI: mongod.URI(t), Database: mongod.Database()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	j := s
	r := ports.Record{Tenant: "t", Kind: "k", ID: "1", Body: []byte("b"), Events: []event.Event{{ID: "fev_1", Tenant: "t"}}}
	if err := j.Save(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
	var dead teller
	if err := s.records.FindOne(t.Context(), bson.D{}).Decode(&dead); err != nil {
		t.Fatal(err)
	}
	if err := j.insert(t.Context(), untold([]teller{dead})); err != nil {
		t.Fatal(err)
	}
	r.Events = []event.Event{{ID: "fev_2", Tenant: "t"}}
	if err := j.Save(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		if n, err := j.Publish(t.Context(), 10); n != want || err != nil {
			t.Fatalf("published %d, %v; want %d", n, err, want)
		}
	}
	events, err := j.Feed(t.Context(), "t", 0, 10)
	if err != nil || len(events) != 2 || events[0].ID != "fev_1" || events[1].ID != "fev_2" || events[1].Seq != 2 {
		t.Errorf("%+v, %v", events, err)
	}
}
