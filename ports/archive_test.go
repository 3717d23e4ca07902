package ports_test

import (
	"testing"
	"time"

	"patchbay/core/event"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/ports"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func aRecord() ports.Entry {
	return ports.Entry{Record: &ports.Record{
		Tenant: "t", Kind: "k", ID: "1", Parent: "p|1", Rev: 3, Idem: "i", Ref: "r", Queue: "q", Due: day, Owner: "o", Body: []byte("body"),
		Index: ports.Index{Status: "s", Customer: "c", Created: day},
	}}
}

func aUser() ports.Entry {
	original := user.User{ID: "u", Tenant: "t", Email: "e", Name: "first", Version: 1, CreatedAt: day, UpdatedAt: day}
	return ports.Entry{User: &ports.StoredUser{
		User: user.User{ID: "u", Tenant: "t", Email: "e", Name: "n", Metadata: map[string]string{"a": "1", "b": "2"}, Version: 2, CreatedAt: day, UpdatedAt: day},
		Key:  idempotency.Key{Scoped: "s", Fingerprint: "f"}, Original: &original,
	}}
}

func anEvent() ports.Entry {
	return ports.Entry{Event: &event.Event{Seq: 7, ID: "fev", Tenant: "t", Type: "y", Subject: "s", At: day, Data: []byte(`{"a":1}`)}}
}

func TestADigestDependsOnEveryField(t *testing.T) {
	t.Parallel()
	seen := map[ports.Digest]string{}
	add := func(name string, e ports.Entry) {
		t.Helper()
		d := e.Digest()
		if other, twice := seen[d]; twice {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		seen[d] = name
	}
	add("a record", aRecord())
	for name, change := range map[string]func(r *ports.Record){
		"tenant": func(r *ports.Record) { r.Tenant = "x" }, "kind": func(r *ports.Record) { r.Kind = "x" }, "id": func(r *ports.Record) { r.ID = "x" },
		"parent": func(r *ports.Record) { r.Parent = "" }, "rev": func(r *ports.Record) { r.Rev++ }, "idem": func(r *ports.Record) { r.Idem = "" },
		"ref": func(r *ports.Record) { r.Ref = "" }, "status": func(r *ports.Record) { r.Index.Status = "" }, "customer": func(r *ports.Record) { r.Index.Customer = "" },
		"created": func(r *ports.Record) { r.Index.Created = day.Add(time.Microsecond) }, "queue": func(r *ports.Record) { r.Queue = "" },
		"due": func(r *ports.Record) { r.Due = time.Time{} }, "owner": func(r *ports.Record) { r.Owner = "" },
		"a byte of the body": func(r *ports.Record) { r.Body[3] ^= 1 }, "no body": func(r *ports.Record) { r.Body = nil },
		"terms": func(r *ports.Record) { r.Terms = []string{"a", "b"} }, "other terms": func(r *ports.Record) { r.Terms = []string{"ab"} },
		"idem with the text of its ref": func(r *ports.Record) { r.Idem, r.Ref = "ir", "" },
	} {
		e := aRecord()
		change(e.Record)
		add("a record, changed in "+name, e)
	}
	add("a user", aUser())
	for name, change := range map[string]func(u *ports.StoredUser){
		"id": func(u *ports.StoredUser) { u.User.ID = "x" }, "tenant": func(u *ports.StoredUser) { u.User.Tenant = "x" }, "email": func(u *ports.StoredUser) { u.User.Email = "" },
		"name": func(u *ports.StoredUser) { u.User.Name = "" }, "version": func(u *ports.StoredUser) { u.User.Version++ },
		"created": func(u *ports.StoredUser) { u.User.CreatedAt = day.Add(1000) }, "updated": func(u *ports.StoredUser) { u.User.UpdatedAt = day.Add(1000) },
		"metadata with another value": func(u *ports.StoredUser) { u.User.Metadata["b"] = "3" }, "metadata without a value": func(u *ports.StoredUser) { delete(u.User.Metadata, "b") },
		"metadata with exchanged values": func(u *ports.StoredUser) { u.User.Metadata = map[string]string{"a": "2", "b": "1"} },
		"key":                            func(u *ports.StoredUser) { u.Key.Scoped = "" }, "fingerprint": func(u *ports.StoredUser) { u.Key.Fingerprint = "" },
		"no original": func(u *ports.StoredUser) { u.Original = nil }, "original": func(u *ports.StoredUser) { u.Original.Name = "x" },
		"deleted": func(u *ports.StoredUser) { u.Deleted = true },
	} {
		e := aUser()
		change(e.User)
		add("a user, changed in "+name, e)
	}
	add("an event", anEvent())
	for name, change := range map[string]func(e *event.Event){
		"seq": func(e *event.Event) { e.Seq++ }, "id": func(e *event.Event) { e.ID = "x" }, "tenant": func(e *event.Event) { e.Tenant = "x" },
		"type": func(e *event.Event) { e.Type = "x" }, "subject": func(e *event.Event) { e.Subject = "x" },
		"at": func(e *event.Event) { e.At = day.Add(time.Microsecond) }, "data": func(e *event.Event) { e.Data[5]++ },
	} {
		e := anEvent()
		change(e.Event)
		add("an event, changed in "+name, e)
	}
}

// Stores keep these in different ways.
func TestADigestIsTheSameForEqualEntries(t *testing.T) {
	t.Parallel()
	r := aRecord()
	r.Record.Due, r.Record.Index.Created = day.In(time.FixedZone("x", 3600)), day.Add(999)
	if r.Digest() != aRecord().Digest() {
		t.Error("digests differ for the same time in another zone and with nanoseconds, want the same")
	}
	r = aRecord()
	if r.Record.Terms = []string{}; r.Digest() != aRecord().Digest() {
		t.Error("digests differ for no terms and an empty list, want the same")
	}
	none, empty := aUser(), aUser()
	none.User.User.Metadata, empty.User.User.Metadata = nil, map[string]string{}
	if none.Digest() != empty.Digest() {
		t.Error("digests differ for no metadata and empty metadata, want the same")
	}
	absent, blank := anEvent(), anEvent()
	absent.Event.Data, blank.Event.Data = nil, []byte{}
	if absent.Digest() != blank.Digest() {
		t.Error("digests differ for no data and empty data, want the same")
	}
}

func TestAParsedKeyHasThePartsItWasMadeOf(t *testing.T) {
	t.Parallel()
	if kind, tenant, id := ports.ParseRecordKey(ports.RecordKey("k", "", "a|b|c")); kind != "k" || tenant != "" || id != "a|b|c" {
		t.Errorf("parts of a record key = %q, %q, %q, want %q, %q, %q", kind, tenant, id, "k", "", "a|b|c")
	}
	if tenant, id := ports.ParseUserKey(ports.UserKey("t", "u|1")); tenant != "t" || id != "u|1" {
		t.Errorf("parts of a user key = %q, %q, want %q, %q", tenant, id, "t", "u|1")
	}
	if seq := ports.ParseFeedKey(ports.FeedKey(1 << 60)); seq != 1<<60 {
		t.Errorf("number of a feed key = %d, want %d", seq, int64(1<<60))
	}
	for _, invalid := range []string{"", "x"} {
		if got := ports.ParseFeedKey(invalid); got != 0 {
			t.Errorf("number of the feed key %q = %d, want 0", invalid, got)
		}
	}
	for want, e := range map[string]ports.Entry{"k|t|1": aRecord(), "t|u": aUser(), "7": anEvent()} {
		if e.Key() != want {
			t.Errorf("Key = %q, want %q", e.Key(), want)
		}
	}
}
