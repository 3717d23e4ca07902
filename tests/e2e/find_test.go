package e2e_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// found returns the ids of the emails that a query finds, over all pages of two.
func (p *mailGateway) found(t *testing.T, query string) (ids []string) {
	t.Helper()
	for cursor := ""; ; {
		a := p.Do(t, "GET", gateway.Page("/api/emails?limit=2&"+query, cursor), nil)
		a.HasStatus(t, 200)
		for _, m := range a.Data() {
			ids = append(ids, fmt.Sprint(m["id"]))
		}
		if cursor = a.Text("nextCursor"); cursor == "" {
			return ids
		}
	}
}

// finds checks which emails a query finds, newest first.
func (p *mailGateway) finds(t *testing.T, query string, want ...gateway.Answer) {
	t.Helper()
	var ids []string
	for _, m := range want {
		ids = append(ids, m.Text("id"))
	}
	if got := p.found(t, query); !slices.Equal(got, ids) {
		t.Errorf("?%s: found %q, want %q", query, got, ids)
	}
}

// stored returns the contents of the tables of the gateway's store.
func (p *mailGateway) stored(t *testing.T) string {
	t.Helper()
	for _, variable := range p.Env {
		if database, ok := strings.CutPrefix(variable, "PATCHBAY_PROVIDERS__DB__DATABASE="); ok {
			return tables(t, "pgx", fmt.Sprintf("host=127.0.0.1 port=%d user=%s database=%s sslmode=disable", postgres.Shared(t).Port, postgres.Username, database))
		}
	}
	return tables(t, "sqlite", p.Data("patchbay.db"))
}

// termsOf returns what an email is found by, of the tables of a store.
func termsOf(stored string, m gateway.Answer) (terms []string) {
	for line := range strings.Lines(stored) {
		row := strings.Fields(strings.TrimPrefix(line, "patchbay_")) // term, kind, tenant, the term, created, id
		if len(row) == 6 && row[0] == "term" && row[5] == m.Text("id") {
			terms = append(terms, row[3])
		}
	}
	return terms
}

// names are those in the addresses below, as whole words: a random id may have them within.
var names = regexp.MustCompile(`(?i)\b(ada|bob)\b`)

func TestEmailsAreFoundUntilThePersonIsErased(t *testing.T) {
	onEachStore(t, func(t *testing.T, p *mailGateway) {
		first := p.send(t, "first", object{
			"to": []string{"Ada <Ada+News@example.com>"}, "bcc": []string{"bob@xn--bcher-kva.example"}, "tags": []string{"welcome", "spring"}, "metadata": object{"order": "1001", "shop": "north"},
		})
		p.becomes(t, first, "sent", "sendgrid accepted")
		second := p.send(t, "second", object{"to": []string{"bob@bücher.example"}, "tags": []string{"welcome"}, "metadata": object{"order": "1002", "shop": "north"}})
		third := p.send(t, "third", object{"to": []string{"eve@example.com"}, "tags": []string{"welcome"}})
		p.becomes(t, second, "sent", "sendgrid accepted")
		p.becomes(t, third, "sent", "sendgrid accepted")
		p.Kill()
		p.Restart(t)

		const ada, bob = "recipient=ada%2Bnews@example.com", "recipient=BOB@xn--bcher-kva.example"
		p.finds(t, ada, first)
		p.finds(t, bob, second, first)
		p.finds(t, "recipient=bob@b%C3%BCcher.example&status=sent", second, first)
		p.finds(t, "recipient=nobody@example.com")
		p.finds(t, "tag=welcome", third, second, first)
		p.finds(t, "tag=spring", first)
		p.finds(t, "tag=spring&"+ada, first)
		p.finds(t, "tag=spring&recipient=eve@example.com")
		p.finds(t, "metadata[order]=1001", first)
		p.finds(t, "metadata%5Bshop%5D=north", second, first)
		p.finds(t, "metadata[shop]=north&metadata[order]=1002", second)
		p.finds(t, "tag=welcome&status=failed")
		p.finds(t, "tag=welcome&createdBefore="+second.Text("createdAt"), first)
		p.finds(t, "createdFrom="+second.Text("createdAt")+"&createdBefore="+third.Text("createdAt"), second)
		p.finds(t, "createdFrom="+third.Text("createdAt")+"&tag=welcome", third)
		p.Do(t, "GET", "/api/emails?recipient=ada+news@example.com", nil).HasStatus(t, 400)

		before := termsOf(p.stored(t), first)
		if len(before) != 6 {
			t.Fatalf("terms of the first email: %q, want 6", before)
		}
		erase(t, p.Gateway, "--email", "ada+news@example.com")
		p.finds(t, ada)
		p.finds(t, "tag=spring")
		p.finds(t, "metadata[order]=1001")
		p.finds(t, "tag=welcome", third, second)
		p.finds(t, "metadata[shop]=north", second)
		p.finds(t, bob, second, first)
		if log := p.Log(); names.MatchString(log) {
			t.Errorf("the log is\n%s\nwant no address in it", log)
		}
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
		stored := p.stored(t)
		left := termsOf(stored, first)
		if len(left) != 1 || !slices.Contains(termsOf(stored, second), left[0]) {
			t.Errorf("terms left of the first email: %q, want that of the other recipient", left)
		}
		others := slices.Concat(left, termsOf(stored, second), termsOf(stored, third))
		gone := 0
		for _, term := range before {
			if !slices.Contains(others, term) {
				if gone++; strings.Contains(stored, term) {
					t.Errorf("the store has the term %q, which is of the erased email alone", term)
				}
			}
		}
		if gone != 3 { // the person, the tag spring and the order
			t.Errorf("%d terms were of the first email alone, want 3", gone)
		}
	})
}
