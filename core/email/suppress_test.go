package email_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"patchbay/core/email"
)

func addressed(list string) (all []email.Address) {
	for _, name := range strings.Fields(list) {
		all = append(all, email.Address{Email: name + "@example.com"})
	}
	return all
}

func namesOf(list []email.Address) string {
	var all []string
	for _, a := range list {
		all = append(all, strings.TrimSuffix(a.Email, "@example.com"))
	}
	return strings.Join(all, " ")
}

func messageTo(to, cc, bcc string) email.Message {
	m := email.Message{To: addressed(to), Cc: addressed(cc), Bcc: addressed(bcc)}
	for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
		m.Recipients = append(m.Recipients, email.Recipient{Email: a.Email})
	}
	return m
}

func suppress(m *email.Message, names string) (fresh []int, left bool) {
	reasons := make(map[string]string)
	for _, a := range addressed(names) {
		reasons[a.Email] = "manual"
	}
	return m.Suppress(reasons)
}

func TestWhoIsLeftOfAMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, to, cc, bcc, suppressed, want string }{
		{"nobody is suppressed", "ada eve", "bob", "cy", "", "to: ada eve, cc: bob, bcc: cy"},
		{"one of several in to", "ada eve", "bob", "cy", "ada", "to: eve, cc: bob, bcc: cy"},
		{"one in cc and one in bcc", "ada", "bob dee", "cy flo", "bob cy", "to: ada, cc: dee, bcc: flo"},
		{"all in to: cc takes their place", "ada eve", "bob", "cy", "ada eve", "to: bob, cc: , bcc: cy"},
		{"all but one in bcc", "ada", "bob", "cy", "ada bob", "to: cy, cc: , bcc: "},
		{"all but several in bcc, who stay hidden", "ada", "", "cy flo", "ada", "to: , cc: , bcc: cy flo"},
		{"all", "ada", "bob", "cy", "ada bob cy", "to: , cc: , bcc: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := messageTo(c.to, c.cc, c.bcc)
			before := messageTo(c.to, c.cc, c.bcc)
			suppress(&m, c.suppressed)
			left := m.WithoutSuppressed()
			if got := fmt.Sprintf("to: %s, cc: %s, bcc: %s", namesOf(left.To), namesOf(left.Cc), namesOf(left.Bcc)); got != c.want {
				t.Errorf("left is %q, want %q", got, c.want)
			}
			if !reflect.DeepEqual(m.To, before.To) || !reflect.DeepEqual(m.Cc, before.Cc) || !reflect.DeepEqual(m.Bcc, before.Bcc) {
				t.Errorf("the message itself has changed: %+v", m)
			}
		})
	}
}

func TestSuppressedPersonalizationsAreLeftOut(t *testing.T) {
	t.Parallel()
	m := messageTo("", "", "")
	for _, names := range []string{"ada", "eve bob", "cy"} {
		m.Personalizations = append(m.Personalizations, email.Personalization{To: addressed(names)})
		for _, a := range addressed(names) {
			m.Recipients = append(m.Recipients, email.Recipient{Email: a.Email})
		}
	}
	suppress(&m, "ada bob")
	var got []string
	for _, p := range m.WithoutSuppressed().Personalizations {
		got = append(got, namesOf(p.To))
	}
	if want := []string{"eve", "cy"}; !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
	if len(m.Personalizations) != 3 || namesOf(m.Personalizations[1].To) != "eve bob" {
		t.Errorf("the message itself has changed: %+v", m.Personalizations)
	}
}

func TestSuppressSaysWhoIsNewlySuppressed(t *testing.T) {
	t.Parallel()
	m := messageTo("ada eve", "bob", "")
	for _, c := range []struct {
		names string
		fresh []int
		left  bool
	}{
		{"eve", []int{1}, true},
		{"eve bob", []int{2}, true},
		{"ada eve bob", []int{0}, false},
		{"", nil, true}, // removed from the list in the meantime
		{"eve", []int{1}, true},
	} {
		fresh, left := suppress(&m, c.names)
		if !slices.Equal(fresh, c.fresh) || left != c.left {
			t.Errorf("%q: fresh %v, left %t, want %v, %t", c.names, fresh, left, c.fresh, c.left)
		}
	}
}

func TestTheStatusOfARecipientWhoIsLeftOut(t *testing.T) {
	t.Parallel()
	m := messageTo("ada eve", "", "")
	m.Status = email.Sent
	suppress(&m, "ada")
	m.SetRecipientStatuses()
	if a, e := m.Recipients[0].Status, m.Recipients[1].Status; a != email.Suppressed || e != email.Sent {
		t.Errorf("Ada is %s and Eve %s, want suppressed and sent", a, e)
	}
	// An attempt before she was suppressed may have reached her.
	m.Recipients[0].AddFate(email.Fate{Attempt: "att_1", Event: email.EventDelivered})
	m.SetRecipientStatuses()
	if a := m.Recipients[0].Status; a != "delivered" {
		t.Errorf("Ada is %s, want delivered", a)
	}
}

func TestRecipientsInBccAloneNeedAFeature(t *testing.T) {
	t.Parallel()
	m := messageTo("", "", "ada eve")
	if err := (email.Features{}).Carry(m); err == nil {
		t.Error("a provider without OnlyBcc carries it, want not")
	}
	if err := (email.Features{OnlyBcc: true}).Carry(m); err != nil {
		t.Errorf("a provider with OnlyBcc: %v, want it carried", err)
	}
}
