package email_test

import (
	"fmt"
	"strings"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
)

func TestTheThreadOfADraft(t *testing.T) {
	t.Parallel()
	const first, last = "<1@example.com>", "<2.x=?utf-8?q?y?=@[192.0.2.1]>"
	for name, tt := range map[string]struct {
		draft                 email.Draft
		inReplyTo, references string
	}{
		"no thread":                       {email.Draft{}, "", ""},
		"an answer":                       {email.Draft{InReplyTo: first}, first, first},
		"an answer, without brackets":     {email.Draft{InReplyTo: "1@example.com"}, first, first},
		"an answer within a thread":       {email.Draft{InReplyTo: last, References: []string{first, last}}, last, first + " " + last},
		"one that answers nothing":        {email.Draft{References: []string{"1@example.com", last}}, "", first + " " + last},
		"the caller's own headers":        {email.Draft{Headers: map[string]string{"In-Reply-To": first, "References": first + "  " + last}}, first, first + " " + last},
		"ids that nothing separates":      {email.Draft{Headers: map[string]string{"References": first + last}}, "", first + " " + last},
		"an id that is longer than usual": {email.Draft{InReplyTo: "<" + strings.Repeat("a", 970) + "@b>"}, "<" + strings.Repeat("a", 970) + "@b>", "<" + strings.Repeat("a", 970) + "@b>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draft := plain()
			draft.InReplyTo, draft.References, draft.Headers = tt.draft.InReplyTo, tt.draft.References, tt.draft.Headers
			if err := draft.Check(); err != nil {
				t.Fatal(err)
			}
			headers := draft.ThreadedHeaders()
			if got := headers["In-Reply-To"]; got != tt.inReplyTo {
				t.Errorf("In-Reply-To %q, want %q", got, tt.inReplyTo)
			}
			if got := headers["References"]; got != tt.references {
				t.Errorf("References %q, want %q", got, tt.references)
			}
		})
	}
}

func TestReferencesThatDoNotFitOnALineKeepTheFirstAndTheLast(t *testing.T) {
	t.Parallel()
	d := plain()
	for i := range 1000 {
		d.References = append(d.References, fmt.Sprintf("<%d.of.a.thread@example.com>", i))
	}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	value := d.ThreadedHeaders()["References"]
	ids := strings.Fields(value)
	if length := len("References: " + value); length > 998 || length < 998-30 {
		t.Errorf("a header of %d characters, want as many ids as fit on 998", length)
	}
	if ids[0] != d.References[0] {
		t.Errorf("the first is %s, want %s", ids[0], d.References[0])
	}
	for i, id := range ids[1:] {
		if want := d.References[1000-len(ids)+1+i]; id != want {
			t.Fatalf("id %d is %s, want %s: the last ones, in order", i+1, id, want)
		}
	}
	if d.References[1] != "<1.of.a.thread@example.com>" {
		t.Errorf("the draft has changed: %s", d.References[1])
	}
}

func TestAThreadThatIsNone(t *testing.T) {
	t.Parallel()
	header := func(name, value string) email.Draft { return email.Draft{Headers: map[string]string{name: value}} }
	for name, tt := range map[string]struct {
		draft email.Draft
		param string
	}{
		"no @":                              {email.Draft{InReplyTo: "1"}, "inReplyTo"},
		"nothing before the @":              {email.Draft{InReplyTo: "<@example.com>"}, "inReplyTo"},
		"two ids in one":                    {email.Draft{InReplyTo: "<1@example.com> <2@example.com>"}, "inReplyTo"},
		"a bracket that stays open":         {email.Draft{InReplyTo: "<1@example.com"}, "inReplyTo"},
		"a line break":                      {email.Draft{InReplyTo: "<1@example.com>\r\nBcc: eve@example.com"}, "inReplyTo"},
		"letters that are not ASCII":        {email.Draft{References: []string{"<1@example.com>", "<ü@example.com>"}}, "references[1]"},
		"an empty reference":                {email.Draft{References: []string{""}}, "references[0]"},
		"an id that fills more than a line": {email.Draft{References: []string{"<" + strings.Repeat("a", 990) + "@b>"}}, "references[0]"},
		"1001 references":                   {email.Draft{References: make([]string, 1001)}, "references"},
		"a header with a subject":           {header("in-reply-to", "your letter"), "headers.in-reply-to"},
		"an empty header":                   {header("References", ""), "headers.References"},
		"a header beside the field":         {email.Draft{InReplyTo: "1@example.com", Headers: map[string]string{"references": "<1@example.com>"}}, "headers.references"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draft := plain()
			draft.InReplyTo, draft.References, draft.Headers = tt.draft.InReplyTo, tt.draft.References, tt.draft.Headers
			if f := fault.From(draft.Check()); f == nil || f.Kind != fault.Invalid || f.Param != tt.param {
				t.Errorf("error %v, want Invalid about %s", f, tt.param)
			}
		})
	}
}
