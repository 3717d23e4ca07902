package chaosmail_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
)

// facts is all that is known after a run: what was asked for and accepted, what the gateway tells of
// it, and what the providers did.
type facts struct {
	mails        []*mail
	accepted     map[string]string // id by key
	wrong        []string          // answers that were wrong
	messages     []stored
	copies       []delivery
	faults       map[string][]drawn // by attempt
	bySMTP       []drawn
	disturbances []disturbance
}

// stored is an email as the gateway tells of it.
type stored struct {
	ID         string      `json:"id"`
	Status     string      `json:"status"`
	BatchID    string      `json:"batchId"`
	Recipients []recipient `json:"recipients"`
	Attempts   []attempt   `json:"attempts"`
}

type recipient struct {
	Email  string `json:"email"`
	Status string `json:"status"`
}

type attempt struct {
	ID        string    `json:"id"`
	Provider  string    `json:"provider"`
	Outcome   string    `json:"outcome"`
	Code      string    `json:"code"`
	Reference string    `json:"reference"`
	StartedAt time.Time `json:"startedAt"`
	EndedAt   time.Time `json:"endedAt"`
}

// delivery is a message that a provider has executed.
type delivery struct {
	provider, attempt, reference string
	to                           []string
	raw                          []byte
	at                           time.Time
	replaced                     bool // a fault came in place of the answer: for SMTP, which names no attempt
}

// collect reads the books of the providers, and everything that the gateway tells.
func (w *world) collect(t *testing.T) *facts {
	t.Helper()
	f := &facts{mails: w.mails, accepted: w.accepted, wrong: w.wrong, faults: w.book.attempts, bySMTP: w.book.bySMTP, disturbances: w.disturbances}
	server, _ := w.providers["smtp"].(*smtpsim.Sim)
	replaced := server.Replaced()
	for _, name := range slices.Sorted(maps.Keys(w.providers)) {
		for _, m := range w.providers[name].Messages() {
			f.copies = append(f.copies, delivery{
				name, m.Variables["patchbay_attempt"], m.Reference, m.To, m.Raw, m.At, name == "smtp" && slices.Contains(replaced, m.Reference),
			})
		}
	}
	slices.SortStableFunc(f.copies, func(a, b delivery) int { return a.at.Compare(b.at) })
	for cursor := ""; ; {
		a := w.Do(t, "GET", gateway.Page("/api/emails?limit=100", cursor), nil)
		a.HasStatus(t, 200)
		var page struct {
			Data       []stored `json:"data"`
			NextCursor string   `json:"nextCursor"`
		}
		if err := json.Unmarshal(a.Body, &page); err != nil {
			t.Fatal(err)
		}
		f.messages = append(f.messages, page.Data...)
		if cursor = page.NextCursor; cursor == "" {
			return f
		}
	}
}

// mailOf returns the mail that an address belongs to, nil if there is none.
func (f *facts) mailOf(address string) *mail {
	found := ownAddress.FindStringSubmatch(address)
	if found == nil {
		return nil
	}
	n, err := strconv.Atoi(found[1])
	if err != nil || n >= len(f.mails) {
		return nil
	}
	return f.mails[n]
}

// count counts the disturbances of a kind.
func (f *facts) count(what ...string) (n int) {
	for _, d := range f.disturbances {
		if slices.Contains(what, d.what) {
			n++
		}
	}
	return n
}

// interrupted reports whether the gateway was killed, its clock set, or the provider made unreachable,
// during an attempt.
func (f *facts) interrupted(a *attempt) bool {
	return slices.ContainsFunc(f.disturbances, func(d disturbance) bool {
		if d.what == a.Provider {
			return a.overlaps(d.from, d.to.Add(noticed))
		}
		return (d.what == killed || d.what == stepped) && a.overlaps(d.from, d.to)
	})
}

// noticed is how long it may take the gateway, on a busy machine, to notice that a connection that it
// keeps was reset. Until then it may use it.
const noticed = time.Second

// overlaps reports whether an attempt was in progress at some time of a period.
func (a *attempt) overlaps(from, to time.Time) bool {
	return !to.Before(a.StartedAt) && (a.EndedAt.IsZero() || !from.After(a.EndedAt))
}

// spans reports whether an attempt was in progress at a time.
func (a *attempt) spans(at time.Time) bool { return a.overlaps(at, at) }

// overran reports whether the gateway waited for an answer as long as it does.
func (a *attempt) overran() bool { return a.EndedAt.Sub(a.StartedAt) >= callTimeout }

// inDoubt reports whether the gateway could not know what became of an attempt: a fault said nothing, or
// the attempt was interrupted.
func (f *facts) inDoubt(a *attempt) bool {
	said := func(d drawn) bool { return d.means == doubt }
	bySMTP := func(d drawn) bool { return a.Provider == "smtp" && said(d) && a.spans(d.at) }
	return slices.ContainsFunc(f.faults[a.ID], said) || slices.ContainsFunc(f.bySMTP, bySMTP) || f.interrupted(a) || a.overran()
}

// unanswered reports whether the answer to a copy that a provider executed did not reach the gateway,
// or the gateway could not save it. a is the copy's attempt, nil if the gateway does not know it.
func (f *facts) unanswered(d *delivery, a *attempt) bool {
	lost := func(d drawn) bool { return d.after }
	if d.replaced || slices.ContainsFunc(f.faults[d.attempt], lost) {
		return true
	}
	return a != nil && (f.interrupted(a) || a.overran())
}
