package explore

// Rule is one by which money is safe, and how it would read without it. The search
// must find what goes wrong then: else it would not have found it either when the rule
// was not there.
type Rule struct {
	Name     string
	Edits    []Edit
	Scenario string // in which it is missed
	Bound    int
	Wrong    string // what is found
	Short    bool   // it is taken out in the short form, too
}

// Edit takes a rule out of a file, or one of the places where it stands.
type Edit struct {
	File    string // from the root
	Is      string // exactly once in it
	Without string
}

const (
	second = "a second charge for one create"
	orphan = "a charge that its payment does not know of"
	copied = "a second copy of a mail that may go out once"
)

// Rules are those of the outcome protocol: docs/protocol.md.
var Rules = []Rule{
	{
		Name: "a repeat of a create's key begins nothing once the payment has moved on",
		Edits: []Edit{{
			"core/payments/execute.go",
			"return p.ProviderReference != \"\" || p.Status.Terminal() || slices",
			"return false && slices",
		}},
		Scenario: "create, confirm under another key, create again", Bound: 1, Wrong: "a late repeat of a create is refused",
	},
	{
		Name: "only who holds the claim moves on or ends by a refusal",
		Edits: []Edit{{
			"core/worker/worker.go",
			"return l.owner != \"\" && now.owner == l.owner && now.until.Equal(l.until)",
			"return l.owner != now.owner || true",
		}},
		Scenario: "two providers, the first refuses, a process stands still", Bound: 4, Wrong: second,
	},
	{
		Name: "unknown is sticky",
		Edits: []Edit{{
			"core/payments/outcome.go",
			"case op.Uncertain():",
			"case false:",
		}},
		Scenario: "create, again", Bound: 3, Wrong: orphan,
	},
	{
		Name: "a decline counts after an unknown try only with its object",
		Edits: []Edit{{
			"core/payments/call.go",
			"&& fault.From(a.err).Proven",
			"",
		}},
		Scenario: "create, again", Bound: 3, Wrong: orphan,
	},
	{
		Name: "a refusal counts only in the provider's own words",
		Edits: []Edit{{
			"adapters/payments/stripepay/errors.go",
			"case e == nil, status >= http.StatusInternalServerError:",
			"case e == nil && status != http.StatusUnauthorized, status >= http.StatusInternalServerError:",
		}},
		Scenario: "two providers", Bound: 1, Wrong: second, Short: true,
	},
	{
		Name: "an unknown try is not undone by what the next one says",
		Edits: []Edit{{
			"adapters/resilience/guard.go",
			"if c.unknown == nil || err == nil",
			"if true || err == nil",
		}},
		Scenario: "create, again, each call tried twice", Bound: 2, Wrong: orphan,
	},
	{
		Name: "the provider's key is made of the caller's",
		Edits: []Edit{{
			"core/payments/create.go",
			"if op.Key == \"\" {\n\t\tif op.Generation",
			"if true {\n\t\tif op.Generation",
		}},
		Scenario: "an older state is restored", Bound: 0, Wrong: second, Short: true,
	},
	{
		Name: "the payment's id is made of the caller's key",
		Edits: []Edit{{
			"core/payments/create.go",
			"if key.Empty() {",
			"if true {",
		}},
		Scenario: "an older state is restored", Bound: 0, Wrong: second,
	},
	{
		Name: "a generation goes up only when the one before is proved absent",
		Edits: []Edit{{
			"core/payments/create.go",
			"if op.Absent { // no effect",
			"if op.Outcome != \"\" { // no effect",
		}},
		Scenario: "an older state is restored", Bound: 1, Wrong: second,
	},
	{
		Name: "what an older copy has open is not asked for again before it is known what was made",
		Edits: []Edit{{
			"core/payments/restored.go",
			"if !op.Creates() || p.ProviderReference != \"\" {\n\t\treturn nil, nil",
			"if true {\n\t\treturn nil, nil",
		}},
		Scenario: "two providers, an older state is restored", Bound: 2, Wrong: "a charge of a payment that was answered canceled",
	},
	{
		Name: "a refund that an older copy does not have is looked for before it is made",
		Edits: []Edit{{
			"core/payments/restored.go",
			"!s.predatesRestore(&p, op) || op.Action != payment.Refund",
			"true || op.Action != payment.Refund",
		}},
		Scenario: "an older state is restored when the provider has forgotten its keys", Bound: 0,
		Wrong: "600 were given back of a payment: not what was asked, each once", Short: true,
	},
	{
		Name: "what was made since is looked for as far back as the copy was made",
		Edits: []Edit{{
			"core/payments/restored.go",
			"if since.IsZero() || since.After(r.At) {",
			"if true {",
		}},
		Scenario: "a state of days ago is restored", Bound: 1, Wrong: "a charge that its payment does not know of",
	},
	{
		Name: "what was made since is taken into the copy",
		Edits: []Edit{{
			"core/payments/attach.go",
			"{ return s.attach(ctx, t) }",
			"{ return nil }",
		}},
		Scenario: "an older state is restored, and gone on with days later", Bound: 3, Wrong: second,
	},
	{
		Name: "the request is kept as it was sent",
		Edits: []Edit{{
			"core/payments/call.go",
			"Body: op.Body, Amount: p.Amount",
			"Amount: p.Amount",
		}},
		Scenario: "an upgrade words requests otherwise", Bound: 2, Wrong: "a key was used for another request than before",
	},
	{
		Name: "another account is never asked",
		Edits: []Edit{{
			"core/payments/call.go",
			"case now != \"\":",
			"case now == \"none\":",
		}},
		Scenario: "the provider's name means another account", Bound: 2, Wrong: second,
	},
	{
		Name: "a look goes back far enough, by the provider's clock",
		Edits: []Edit{{
			"core/payments/listing.go",
			"from = from.Add(-clockMargin); from.Before(w.from)",
			"from = from.Add(-clockMargin); false",
		}},
		Scenario: "the provider's clock is behind", Bound: 2, Wrong: "a charge of a payment that was answered canceled",
	},
	{
		Name: "absence takes an hour",
		Edits: []Edit{{
			"core/payments/listing.go",
			"since > absentAfter+g.Capabilities().Lookup.Lag {",
			"since >= 0 {",
		}},
		Scenario: "a process stands still", Bound: 4, Wrong: "a charge of a payment that was answered canceled",
	},
	{
		Name: "what was accepted is tried again",
		Edits: []Edit{{
			"core/payments/execute.go",
			"	op.Outcome = payment.Waiting",
			"	return",
		}},
		Scenario: "create, longer than its caller waits", Bound: 2, Wrong: "that was accepted is given up",
	},
	{
		Name: "an ambiguous mail that may go out once is left",
		Edits: []Edit{{
			"core/emails/send.go",
			"case o == email.Ambiguous && st.message.Delivery == email.AtMostOnce:",
			"case false:",
		}},
		Scenario: "mail at_most_once", Bound: 1, Wrong: copied,
	},
	{
		Name: "an attempt that was interrupted may have gone out",
		Edits: []Edit{{
			"core/emails/send.go",
			"last.Outcome == email.Attempting {",
			"last.Outcome == \"\" {",
		}},
		Scenario: "mail at_most_once, processes stand still and die", Bound: 1, Wrong: copied,
	},
	{
		Name: "a refusal of mail counts only in the provider's own words",
		Edits: []Edit{{
			"adapters/mail/sendgridmail/errors.go",
			"if !x.DecodeRefusal(&body) {\n\t\treturn nil",
			"if !x.DecodeRefusal(&body) {\n\t\treturn []refusal.ProviderError{{Words: \"x\"}}",
		}},
		Scenario: "mail at_most_once", Bound: 1, Wrong: copied,
	},
	{
		Name: "a repeat is counted in its operation",
		Edits: []Edit{{
			"core/payments/create.go",
			"if same && (op.Key",
			"if same && false && (op.Key",
		}, {
			"core/payments/service.go",
			"retryable(op) && !op.Unsure ||",
			"false &&",
		}},
		Scenario: "one key a hundred times, then a confirm", Bound: 0, Wrong: "repeats have used up a payment",
	},
}
