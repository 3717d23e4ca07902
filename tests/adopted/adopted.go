// Package adopted checks a store that the program of commit 86a7f45 has written. That program was
// killed while it created the payment under the key "open", after it had created one under
// "finished", accepted an email under "mail", created and changed a user under "user", and created
// and deleted one under "gone". The mail provider could not be reached.
package adopted

import (
	"testing"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// The scoped keys of the requests.
const (
	finished = "default|POST /api/payments|05343e9845302eb730fa9d18ac7b28d5e509893daf1eb76ede8d6e82d47b2da9"
	open     = "default|POST /api/payments|2348f998744212575d85959674f9607ab26f67708a917157472832386337c904"
	mail     = "default|POST /api/emails|00d8d3f11739d2f3537099982b4674c29fc59a8fda350fca1379613adbb09119"
	created  = "default|POST /api/users|04f8996da763b7a969b1028ee3007569eaf3a635486ddab211d512c85b9df8fb"
	gone     = "default|POST /api/users|283bb9deef02e6843abfb538efa1eca70801bd8a701c3f98191e123496339247"
)

// Check checks that all of it is read, and that the store goes on from there.
func Check(t *testing.T, store ports.Journal, users ports.UserRepository) {
	t.Helper()
	payments(t, store)
	email(t, store)
	terms(t, store)
	people(t, users)
	feed(t, store)
}

func found(t *testing.T, store ports.Journal, kind, key string) ports.Record {
	t.Helper()
	r, err := store.Find(t.Context(), kind, ports.ByIdem, key)
	if err != nil {
		t.Fatalf("%s of key %s: got %v, want it found", kind, key, err)
	}
	if _, err := record.Decode(r, func(v struct{ ID string }) bool { return v.ID == r.ID }); err != nil {
		t.Errorf("body of the %s of key %s: %v", kind, key, err)
	}
	return r
}

func payments(t *testing.T, store ports.Journal) {
	t.Helper()
	done := found(t, store, "payment", finished)
	if done.Index.Status != "succeeded" {
		t.Errorf("status of the finished payment: got %s, want succeeded", done.Index.Status)
	}
	if r, err := store.Find(t.Context(), "payment", ports.ByRef, done.Ref); err != nil || r.ID != done.ID {
		t.Errorf("the finished payment by its reference: got %q, %v", r.ID, err)
	}
	waits := found(t, store, "payment", open)
	if waits.Index.Status != "processing" {
		t.Errorf("status of the open payment: got %s, want processing", waits.Index.Status)
	}
	claims, err := store.Claim(t.Context(), "payments:mock", "new", time.Minute, 10)
	if err != nil || len(claims) != 1 || claims[0].ID != waits.ID || !claims[0].Expired {
		t.Fatalf("claim of the open payment: got %+v, %v; want it, expired", claims, err)
	}
	claims[0].Index.Status = "canceled"
	if err := store.Save(t.Context(), &claims[0].Record)[0]; err != nil {
		t.Errorf("save of the claimed payment: %v", err)
	}
	page, err := store.List(t.Context(), "default", "payment", ports.Filter{Status: "canceled"}, "", 10)
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != waits.ID {
		t.Errorf("list of canceled payments: got %+v, %v; want the one that was open", page.Records, err)
	}
	twin := ports.Record{Tenant: "default", Kind: "payment", ID: "pay_twin", Idem: finished, Body: []byte("{}")}
	if err := store.Save(t.Context(), &twin)[0]; !fault.Is(err, fault.Conflict) {
		t.Errorf("another payment under a used key: got %v, want a conflict", err)
	}
}

func email(t *testing.T, store ports.Journal) {
	t.Helper()
	if r := found(t, store, "message", mail); r.Index.Status != "queued" || r.Queue != "mail:sendgrid" {
		t.Errorf("the email: got status %s in the queue %q, want queued in mail:sendgrid", r.Index.Status, r.Queue)
	}
	counts, err := store.Count(t.Context(), 10, ports.Set{Queue: "mail:sendgrid"})
	if err != nil || counts[0].N != 1 {
		t.Errorf("count of the queue of mail: got %+v, %v; want 1", counts, err)
	}
}

// terms checks that a record which was written without terms gets them with a save.
func terms(t *testing.T, store ports.Journal) {
	t.Helper()
	r := found(t, store, "message", mail)
	r.Terms = []string{"new"}
	if err := store.Save(t.Context(), &r)[0]; err != nil {
		t.Errorf("save of the email with terms: %v", err)
	}
	page, err := store.List(t.Context(), "default", "message", ports.Filter{Terms: []string{"new"}}, "", 10)
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != r.ID {
		t.Errorf("list by terms: got %+v, %v; want the email", page.Records, err)
	}
}

func people(t *testing.T, users ports.UserRepository) {
	t.Helper()
	ada, err := users.FindByEmail(t.Context(), "default", "ada@example.com")
	if err != nil || ada.Name != "Ada Lovelace" || ada.Version != 2 || ada.Metadata["plan"] != "gold" {
		t.Errorf("the user: got %+v, %v", ada, err)
	}
	if first, err := users.FindByKey(t.Context(), created); err != nil || first.User.Name != "Ada" || first.User.Version != 1 {
		t.Errorf("the user as created: got %+v, %v", first, err)
	}
	if first, err := users.FindByKey(t.Context(), gone); err != nil || !first.Deleted {
		t.Errorf("the key of the deleted user: got %+v, %v; want it taken", first, err)
	}
	if err := users.Delete(t.Context(), "default", ada.ID, 2); err != nil {
		t.Errorf("deletion of the user: %v", err)
	}
	if page, err := users.List(t.Context(), "default", "", 10); err != nil || len(page.Users) != 0 {
		t.Errorf("list of users after the deletion: got %+v, %v", page.Users, err)
	}
}

func feed(t *testing.T, store ports.Journal) {
	t.Helper()
	r := ports.Record{Tenant: "default", Kind: "thing", ID: "a", Body: []byte("{}"), Events: []event.Event{{ID: "fev_new", Tenant: "default", Type: "thing.made", Subject: "a"}}}
	if err := store.Save(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
	for {
		moved, err := store.Publish(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if moved == 0 {
			break
		}
	}
	events, err := store.Feed(t.Context(), ports.AllTenants, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]int{}
	for i, e := range events {
		types[e.Type]++
		if e.Seq != int64(i+1) {
			t.Errorf("number of event %d: got %d", i+1, e.Seq)
		}
	}
	if types["payment.succeeded"] == 0 || types["user.created"] != 2 || types["user.deleted"] != 2 || types["thing.made"] != 1 {
		t.Errorf("events of the feed: got %v", types)
	}
}
