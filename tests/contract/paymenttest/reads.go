package paymenttest

import (
	"fmt"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// readCases checks reads of intents.
var readCases = []testCase{
	{
		name: "retrieve gives what create gave",
		doc:  "Retrieve returns the intent as Create did.",
		run: func(p *suite) {
			made := p.paid()
			read := p.retrieve(made.Reference)
			if read.Reference != made.Reference || read.Status != made.Status || read.Amount != made.Amount ||
				read.Currency != made.Currency || !read.CreatedAt.Equal(made.CreatedAt) {
				p.Errorf("retrieved %+v, created %+v", read, made)
			}
			p.wantAmounts(read, 0, usual, 0)
		},
	},
	{
		name: "the account is the same each time, and is named",
		doc:  "Account returns the id of the harness's account each time.",
		run: func(p *suite) {
			for range 2 {
				if id, err := p.Gateway.Account(p.Context()); err != nil || id != p.Account {
					p.Errorf("Account: %q, %v, want %q", id, err, p.Account)
				}
			}
		},
	},
	{
		name: "what does not exist is not found",
		doc:  "Retrieve, Confirm and Cancel of an unknown reference return not_found.",
		run: func(p *suite) {
			const absent = "pi_contract_absent"
			ctx, g := p.Context(), p.Gateway
			for _, row := range []struct {
				name string
				call func() error
			}{
				{"retrieve", func() error { _, err := g.Retrieve(ctx, absent); return err }},
				{"confirm", func() error {
					_, err := g.Confirm(ctx, payment.ConfirmRequest{
						Key: newKey(), Reference: absent, PaymentMethod: p.Pays,
					})
					return err
				}},
				{"cancel", func() error {
					_, err := g.Cancel(ctx, payment.CancelRequest{Key: newKey(), Reference: absent})
					return err
				}},
			} {
				if err := row.call(); !fault.Is(err, fault.NotFound) {
					p.Errorf("%s: %v, want %v", row.name, err, fault.NotFound)
				}
			}
		},
	},
	{
		name:  "capturing what does not exist is not found",
		doc:   "Capture of an unknown reference returns not_found.",
		needs: manualCapture,
		run: func(p *suite) {
			p.wantErr(p.captureErr("pi_contract_absent", 0), fault.NotFound, "")
		},
	},
	{
		name:  "refunds of what does not exist are not found",
		doc:   "Refund and Refunds of an unknown reference return not_found.",
		needs: refunds,
		run: func(p *suite) {
			p.wantErr(p.refundErr("pi_contract_absent", 1), fault.NotFound, "")
			_, err := p.Gateway.Refunds(p.Context(), "pi_contract_absent")
			p.wantErr(err, fault.NotFound, "")
		},
	},
	{
		name:  "list pages by cursor, newest first, each once",
		doc:   "With Lookup.List, the pages have each intent once, newest first.",
		needs: listing,
		run: func(p *suite) {
			var made []string
			for n := range 5 {
				r := p.request(p.Pays)
				r.Metadata = operationMetadata(fmt.Sprintf("op_22_%d", n))
				made = append(made, p.create(r).Reference)
			}
			now := p.retrieve(made[0]).CreatedAt
			var listed []payment.Intent
			for cursor := ""; ; {
				page := p.list(now.Add(-time.Hour), now.Add(time.Hour), cursor, 2)
				if len(page.Intents) > 2 {
					p.Fatalf("a page of %d, want at most 2", len(page.Intents))
				}
				listed = append(listed, page.Intents...)
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			if !slices.IsSortedFunc(listed, func(a, b payment.Intent) int { return b.CreatedAt.Compare(a.CreatedAt) }) {
				p.Errorf("not newest first: %+v", listed)
			}
			references := make([]string, len(listed))
			for n, i := range listed {
				references[n] = i.Reference
			}
			slices.Sort(references)
			slices.Sort(made)
			if !slices.Equal(references, made) {
				p.Errorf("listed %v, made %v", references, made)
			}
		},
	},
	{
		name:  "a cursor goes on where it stopped, though newer ones were made meanwhile",
		doc:   "A cursor continues behind its page although an intent was made since.",
		needs: listing,
		run: func(p *suite) {
			first, second := p.paid(), p.paid()
			page := p.list(time.Time{}, time.Time{}, "", 1)
			third := p.paid()
			rest := p.list(time.Time{}, time.Time{}, page.Next, 100)
			if len(page.Intents) != 1 || page.Intents[0].Reference != second.Reference ||
				len(rest.Intents) != 1 || rest.Intents[0].Reference != first.Reference || rest.Next != "" {
				p.Errorf("listed %+v, then %+v; want %s, then %s, and %s in neither", page, rest, second.Reference, first.Reference, third.Reference)
			}
		},
	},
	{
		name:  "list says what time it is for the provider",
		doc:   "A page has the provider's time.",
		needs: listing,
		run: func(p *suite) {
			made := p.paid().CreatedAt
			if now := p.list(time.Time{}, time.Time{}, "", 1).Now; now.Before(made.Truncate(time.Second)) || now.After(made.Add(time.Minute)) {
				p.Errorf("it is %s, right after %s", now, made)
			}
		},
	},
	{
		name:  "list keeps to its window, ends included",
		doc:   "List returns the intents from From to To, both included; zero means no bound.",
		needs: listing,
		run: func(p *suite) {
			at := p.paid().CreatedAt
			for _, row := range []struct {
				name     string
				from, to time.Time
				want     int
			}{
				{"at the moment itself", at, at, 1},
				{"before", at.Add(-time.Hour), at.Add(-time.Second), 0},
				{"after", at.Add(time.Second), at.Add(time.Hour), 0},
				{"from then on", at, time.Time{}, 1},
				{"until then", time.Time{}, at, 1},
				{"after, without an end", at.Add(time.Second), time.Time{}, 0},
			} {
				if got := len(p.list(row.from, row.to, "", 100).Intents); got != row.want {
					p.Errorf("%s: %d intents, want %d", row.name, got, row.want)
				}
			}
		},
	},
	{
		name:  "a cursor that is not the provider's is invalid",
		doc:   "An unknown cursor is invalid.",
		needs: listing,
		run: func(p *suite) {
			p.paid()
			_, err := p.Gateway.List(p.Context(), payment.ListRequest{
				To: time.Now().Add(time.Hour), Cursor: "not a cursor", Limit: 1,
			})
			p.wantErr(err, fault.Invalid, "")
		},
	},
}

func (p *suite) list(from, to time.Time, cursor string, limit int) payment.IntentPage {
	p.Helper()
	page, err := p.Gateway.List(p.Context(), payment.ListRequest{From: from, To: to, Cursor: cursor, Limit: limit})
	if err != nil {
		p.Fatalf("List: %v", err)
	}
	return page
}
