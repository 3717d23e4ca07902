package suppressions_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/suppression"
	"patchbay/core/suppressions"
	"patchbay/core/user"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

func TestAnAddressIsTheSameInEverySpelling(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.add(t, "Ada@Bücher.example", suppression.Manual)
		for _, address := range []string{"Ada@Bücher.example", "ada@bücher.example", "ADA@xn--bcher-kva.EXAMPLE"} {
			if got := r.stopped(t, email.Transactional, address); got != suppression.Manual {
				t.Errorf("%s is stopped for %q, want manual", address, got)
			}
		}
		if got := r.stopped(t, email.Transactional, "eve@bücher.example"); got != "" {
			t.Errorf("another address is stopped for %q, want not", got)
		}
	})
}

// The spellings of one mailbox, whose é is one letter, or an e with an accent.
var accented = []string{"José@Bücher.example", "jose\u0301@bücher.example", "JOSE\u0301@xn--bcher-kva.example", "josé@bu\u0308cher.example"}

func TestAnAccentIsTheSameHoweverItIsWritten(t *testing.T) {
	for _, stored := range accented {
		for name, service := range map[string]func(r *rig) *suppressions.Service{
			"this version":       func(r *rig) *suppressions.Service { return r.Service },
			"an earlier version": func(r *rig) *suppressions.Service { return r.earlier() },
		} {
			t.Run(stored+", "+name, func(t *testing.T) {
				within(t, func(t *testing.T, r *rig) {
					if _, err := service(r).Add(t.Context(), tenant, suppressions.Addition{Email: stored}); err != nil {
						t.Fatal(err)
					}
					for _, address := range accented {
						if got := r.stopped(t, email.Transactional, address); got != suppression.Manual {
							t.Errorf("%+q is stopped for %q, want manual", address, got)
						}
						if found := r.objects(t, user.Person{Tenant: tenant, Emails: []string{user.Mailbox(address, rfc5322.Composed)}}); len(found) != 1 {
							t.Errorf("%+q: got %d suppressions of the person, want 1", address, len(found))
						}
					}
					if got := r.stopped(t, email.Transactional, "jose@bücher.example"); got != "" {
						t.Errorf("another address is stopped for %q, want not", got)
					}
				})
			})
		}
	}
}

// So many recipients with accents have more ids than one read takes.
func TestManyRecipientsWithAccentsAreChecked(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		var all []string
		for i := range ports.MaxGetAll {
			all = append(all, fmt.Sprintf("josé%d@example.com", i))
		}
		r.add(t, all[999], suppression.Bounced)
		got, err := r.Suppressed(t.Context(), tenant, email.Transactional, all)
		if err != nil || len(got) != 1 || got[all[999]] != suppression.Bounced {
			t.Errorf("got %v, %v; want the last one", got, err)
		}
	})
}

func TestTenantsHaveListsOfTheirOwn(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		v := r.add(t, "ada@example.com", suppression.Manual)
		reasons, err := r.Suppressed(t.Context(), "acme", email.Marketing, []string{"ada@example.com"})
		if err != nil || len(reasons) != 0 {
			t.Errorf("another tenant: %v, %v, want no reason", reasons, err)
		}
		_, err = r.Get(t.Context(), "acme", v.ID)
		wantKind(t, err, fault.NotFound)
		wantKind(t, r.Remove(t.Context(), "acme", v.ID), fault.NotFound)
		if id := r.IDOf("acme", "ada@example.com"); id == v.ID {
			t.Error("two tenants have the same id for an address, want other hashes")
		}
	})
}

// The list is of use only to who has the key of the hashes: a copy of the store does not tell whether
// an erased address is in it.
func TestAnIDCannotBeComputedWithoutTheSecret(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		if a, b := r.IDOf(tenant, "ada@example.com"), r.with("another", "").IDOf(tenant, "ada@example.com"); a == b {
			t.Errorf("the ids under two secrets are both %s", a)
		}
	})
}

func TestAMessageIsCheckedByOneRead(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		var all []string
		for i := range ports.MaxGetAll {
			all = append(all, fmt.Sprintf("user%d@example.com", i))
		}
		r.add(t, all[7], suppression.Unsubscribed)
		r.add(t, all[999], suppression.Bounced)
		for _, c := range []struct {
			addresses []string
			category  email.Category
			reads     string // the only call of the journal
			want      map[string]suppression.Reason
		}{
			{all, email.Marketing, memjournal.GetAll, map[string]suppression.Reason{all[7]: suppression.Unsubscribed, all[999]: suppression.Bounced}},
			{all, email.Transactional, memjournal.GetAll, map[string]suppression.Reason{all[999]: suppression.Bounced}},
			{all[999:], email.Transactional, memjournal.Get, map[string]suppression.Reason{all[999]: suppression.Bounced}},
			{all[:1], email.Marketing, memjournal.Get, nil},
			{[]string{all[7], strings.ToUpper(all[7])}, email.Marketing, memjournal.Get, map[string]suppression.Reason{all[7]: suppression.Unsubscribed, strings.ToUpper(all[7]): suppression.Unsubscribed}},
		} {
			clear(r.calls)
			got, err := r.Suppressed(t.Context(), tenant, c.category, c.addresses)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) && len(got)+len(c.want) > 0 {
				t.Errorf("%d addresses, %s: got %v, %v, want %v", len(c.addresses), c.category, got, err, c.want)
			}
			if fmt.Sprint(r.calls) != fmt.Sprint(map[string]int{c.reads: 1}) {
				t.Errorf("%d addresses: calls %v, want one %s", len(c.addresses), r.calls, c.reads)
			}
		}
		r.failing(memjournal.GetAll, fault.Unavailable)
		_, err := r.Suppressed(t.Context(), tenant, email.Marketing, all)
		wantKind(t, err, fault.Unavailable)
	})
}

func TestAnEventIsLearnedOnce(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		for range 3 {
			r.learn(t, "ada@example.com", suppression.Bounced, -time.Minute)
		}
		r.learn(t, "ada@example.com", suppression.Bounced, -time.Hour)
		if got := r.calls[memjournal.Saved]; got != 1 {
			t.Errorf("%d saves for one event, want 1", got)
		}
		if got, want := r.feed(t), []string{`suppression.added {"message":"msg_1","reason":"bounced"}`}; !slices.Equal(got, want) {
			t.Errorf("the feed has %q, want %q", got, want)
		}
		if !slices.Equal(r.counted, []suppression.Reason{suppression.Bounced}) {
			t.Errorf("counted %v, want bounced once", r.counted)
		}
	})
}

func TestARemovedAddressComesBackByNewEventsAlone(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.learn(t, "ada@example.com", suppression.Bounced, -time.Minute)
		id := r.IDOf(tenant, "ada@example.com")
		if err := r.Remove(t.Context(), tenant, id); err != nil {
			t.Fatal(err)
		}
		r.learn(t, "ada@example.com", suppression.Bounced, -time.Minute)
		r.learn(t, "ada@example.com", suppression.Complained, -time.Hour)
		if got := r.stopped(t, email.Marketing, "ada@example.com"); got != "" {
			t.Errorf("after older events it is stopped for %q, want not", got)
		}
		_, err := r.Get(t.Context(), tenant, id)
		wantKind(t, err, fault.NotFound)
		if page, _, err := r.List(t.Context(), tenant, "", 10); err != nil || len(page) != 0 {
			t.Errorf("the list has %v, %v, want nothing", page, err)
		}
		wantKind(t, r.Remove(t.Context(), tenant, id), fault.NotFound)
		<-time.After(time.Minute)
		r.learn(t, "ada@example.com", suppression.Bounced, 0)
		if got := r.stopped(t, email.Transactional, "ada@example.com"); got != suppression.Bounced {
			t.Errorf("after a new event it is stopped for %q, want bounced", got)
		}
		want := []string{
			`suppression.added {"message":"msg_1","reason":"bounced"}`, `suppression.removed {"message":"msg_1","reason":"bounced"}`,
			`suppression.added {"message":"msg_1","reason":"bounced"}`,
		}
		if got := r.feed(t); !slices.Equal(got, want) {
			t.Errorf("the feed has %q, want %q", got, want)
		}
	})
}

func TestOneReasonIsRemoved(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		v := r.add(t, "ada@example.com", suppression.Bounced)
		r.add(t, "ada@example.com", suppression.Unsubscribed)
		err := r.Remove(t.Context(), tenant, v.ID, suppression.Complained)
		wantKind(t, err, fault.NotFound)
		if got := fault.From(err); got.Code != "not_suppressed_for_reason" || !strings.Contains(got.Message, "not for the reason complained; it is for bounced") {
			t.Errorf("error = %v, want code not_suppressed_for_reason, and both reasons", err)
		}
		if err := r.Remove(t.Context(), tenant, v.ID, suppression.Bounced); err != nil {
			t.Fatal(err)
		}
		if got := r.stopped(t, email.Transactional, "ada@example.com"); got != "" {
			t.Errorf("transactional mail is stopped for %q, want not", got)
		}
		if got := r.stopped(t, email.Marketing, "ada@example.com"); got != suppression.Unsubscribed {
			t.Errorf("marketing is stopped for %q, want unsubscribed", got)
		}
	})
}

func TestWhatMayBeAdded(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		for param, a := range map[string]suppressions.Addition{
			"email":   {Email: "Ada <ada@example.com>"},
			"email ":  {Email: "ada"},
			"email  ": {},
			"reason":  {Email: "ada@example.com", Reason: "fun"},
			"note":    {Email: "ada@example.com", Note: "two\nlines"},
			"note ":   {Email: "ada@example.com", Note: strings.Repeat("x", 501)},
		} {
			_, err := r.Add(t.Context(), tenant, a)
			wantKind(t, err, fault.Invalid)
			if got := fault.From(err).Param; got != strings.TrimSpace(param) {
				t.Errorf("%+v: param %q, want %q", a, got, strings.TrimSpace(param))
			}
		}
		v, err := r.Add(t.Context(), tenant, suppressions.Addition{Email: "ada@example.com", Note: "asked by telephone"})
		if err != nil || v.Email != "ada@example.com" || len(v.Counting()) != 1 || v.Counting()[0].Reason != suppression.Manual || v.Counting()[0].Source.Note != "asked by telephone" {
			t.Errorf("got %+v, %v, want ada@example.com, manual with the note", v, err)
		}
		if again := r.add(t, "ada@example.com", suppression.Manual); !again.UpdatedAt.Equal(v.UpdatedAt) || again.ID != v.ID {
			t.Errorf("again: %+v, want it unchanged: %+v", again, v)
		}
	})
}

func TestNothingIsAddedWhileTheStoreIsAway(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		for _, op := range []string{memjournal.Get, memjournal.Save} {
			r.failing(op, fault.Unavailable)
			_, err := r.Add(t.Context(), tenant, suppressions.Addition{Email: "ada@example.com"})
			wantKind(t, err, fault.Unavailable)
			wantKind(t, r.Learn(t.Context(), tenant, "ada@example.com", email.Notification{At: time.Now()}, suppression.Bounced, suppression.Source{}), fault.Unavailable)
			r.failing(op, 0)
		}
		if got := r.stopped(t, email.Marketing, "ada@example.com"); got != "" {
			t.Errorf("it is stopped for %q, want not", got)
		}
	})
}

func TestTheListIsOfActiveAddressesNewestFirst(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		for _, name := range []string{"a", "b", "c", "d"} {
			r.add(t, name+"@example.com", suppression.Manual)
			<-time.After(time.Second)
		}
		if err := r.Remove(t.Context(), tenant, r.IDOf(tenant, "c@example.com")); err != nil {
			t.Fatal(err)
		}
		var pages []string
		for cursor := ""; ; {
			page, next, err := r.List(t.Context(), tenant, cursor, 2)
			if err != nil {
				t.Fatal(err)
			}
			names := ""
			for _, v := range page {
				names += v.Email[:1]
			}
			if pages = append(pages, names); next == "" {
				break
			}
			cursor = next
		}
		if !slices.Equal(pages, []string{"db", "a"}) {
			t.Errorf("pages %q, want db and a", pages)
		}
	})
}
