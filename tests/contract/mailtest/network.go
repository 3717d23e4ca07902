package mailtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"patchbay/core/email"
)

// Network describes the protocol by which an adapter reaches its provider. The zero value demands
// every case of the suite: that of a provider's API over HTTP.
type Network struct {
	// NotHTTP means that the protocol is not HTTP, so that no proxy answers with a page of its own.
	NotHTTP bool
	// Lacks lists the faults that the protocol or the provider cannot express: some of Suspended,
	// Exhausted, RateLimited and NoSuccess. Every other fault can happen with any provider.
	Lacks []Fault
	// NoRetryAfter means that the provider does not say when a rate-limited message can be sent.
	NoRetryAfter bool
	// NoReference means that the provider gives no id of its own to a message.
	NoReference bool
	// NoMarks means that the provider keeps neither metadata nor Patchbay's marks with a message.
	NoMarks bool
	// SMTP means that a message is handed over in a conversation by SMTP (RFC 5321): the server
	// answers to each recipient, and then to the message. There are further cases for that.
	SMTP bool
	// Ends lists the faults of an answer after which the protocol demands another connection: some of
	// Unauthorized, Unavailable and ServerError.
	Ends []Fault
}

// has reports whether a fault can happen with the provider.
func (n Network) has(f Fault) bool {
	_, paged := f.Page()
	return !slices.Contains(n.Lacks, f) && !(paged && n.NotHTTP)
}

func (n Network) check(t *testing.T) {
	t.Helper()
	for _, f := range n.Lacks {
		if !slices.Contains([]Fault{Suspended, Exhausted, RateLimited, NoSuccess}, f) {
			t.Errorf("got %q in Lacks, want only faults that a protocol may lack", f)
		}
	}
	for _, f := range n.Ends {
		if !slices.Contains([]Fault{Unauthorized, Unavailable, ServerError}, f) {
			t.Errorf("got %q in Ends, want only faults after which a protocol may end", f)
		}
	}
}

// NetworkHarness is a mailer with its own account at a provider that is reached over a network and
// whose state the suite can read.
type NetworkHarness struct {
	Harness
	// Attempts counts how often the mailer has tried to hand over a message: the HTTP requests or
	// SMTP transactions that reached the provider, complete or not.
	Attempts func() int
	// Connections counts the connections that carried these attempts. It is nil for an adapter that
	// opens a connection for each message.
	Connections func() int
	// Kept returns what the provider keeps of each delivered message besides the message itself,
	// oldest first.
	Kept func() []Kept
	// Fail makes the next attempt end in a fault, and no other one; with None no attempt fails. It
	// may change the message with which the suite makes that attempt, for instance give it a
	// recipient that the provider's sandbox rejects.
	Fail func(t *testing.T, f Fault, m *email.Message)
	// TemplateID is the id under which the provider stores the Template, which the mailer knows as
	// StoredTemplate. It is empty if the provider stores no templates.
	TemplateID string
	// Secrets are the account's credentials.
	Secrets []string
}

// Kept is what a provider keeps of a message.
type Kept struct {
	To        []string          // all recipients, including bcc
	Variables map[string]string // the metadata and Patchbay's marks
	Tracking  string            // on or off if the provider was told for this message
	Template  string            // the provider's id of the template that it is made from, if any
	Data      json.RawMessage   // the data of that template, a JSON object
}

// Fault is a failure between a mailer and its provider.
type Fault string

// The faults that a harness causes. "Left" means that the whole message was sent.
const (
	None          Fault = ""
	Refused       Fault = "refused"       // the connection is refused
	Rejected      Fault = "rejected"      // the message is rejected permanently; the error text quotes an address
	Unauthorized  Fault = "unauthorized"  // the provider refuses the credentials
	SenderRefused Fault = "sender"        // the provider refuses the sender of this message
	Suspended     Fault = "suspended"     // the account is suspended and may not send
	Exhausted     Fault = "exhausted"     // the account has used up its quota
	RateLimited   Fault = "rate_limited"  // too many messages; to be tried again in a minute
	Unavailable   Fault = "unavailable"   // the provider says that it cannot work at present
	ServerError   Fault = "server_error"  // left, then an answer that says nothing about the message
	Malformed     Fault = "malformed"     // accepted, then an answer that cannot be read
	NoSuccess     Fault = "no_success"    // an answer of success whose meaning is that nothing was accepted
	ResetBefore   Fault = "reset_before"  // left, then the connection is reset with nothing done
	ResetAfter    Fault = "reset_after"   // accepted, then the connection is reset
	HangsAfter    Fault = "hangs_after"   // accepted, then no answer
	HangsForever  Fault = "hangs_forever" // left, then no answer and nothing done
)

// The further faults of SMTP.
const (
	OneRefused   Fault = "one_refused"    // the server refuses the second of the recipients permanently, and accepts the others
	EndsAfter    Fault = "ends_after"     // the server accepts the message with 250, then the connection ends
	ClosedAtRcpt Fault = "closed_at_rcpt" // the connection ends when the recipient is named
)

// Page is a fault over HTTP: the provider accepts the mail, then a proxy answers with its own page
// and this status.
func Page(status int) Fault { return Fault(fmt.Sprint("page_", status)) }

// Page returns the status of a Page.
func (f Fault) Page() (status int, ok bool) {
	text, ok := strings.CutPrefix(string(f), "page_")
	status, err := strconv.Atoi(text)
	return status, ok && err == nil
}
