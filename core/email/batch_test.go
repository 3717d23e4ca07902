package email_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/template"
)

// personalizations returns one copy for each text, whose recipients are separated by blanks.
func personalizations(to ...[]string) (all []email.Personalization) {
	for i, one := range to {
		p := email.Personalization{Index: i}
		for _, address := range one {
			p.To = append(p.To, email.Address{Email: address})
		}
		all = append(all, p)
	}
	return all
}

func TestChunks(t *testing.T) {
	t.Parallel()
	many := make([]string, 600)
	for i := range many {
		many[i] = fmt.Sprintf("u%d@x", i)
	}
	for _, tt := range []struct {
		name string
		all  []email.Personalization
		size int
		want string // the indexes in each chunk
	}{
		{"none", nil, 2, "[]"},
		{"as many as fit", personalizations([]string{"a@x"}, []string{"b@x"}), 2, "[[0 1]]"},
		{"one more than fits", personalizations([]string{"a@x"}, []string{"b@x"}, []string{"c@x"}), 2, "[[0 1] [2]]"},
		{"an address three times", personalizations([]string{"a@x"}, []string{"A@x"}, []string{"b@x"}, []string{"a@X"}), 9, "[[0 2] [1] [3]]"},
		{"several recipients", personalizations([]string{"a@x", "b@x"}, []string{"a@x"}, []string{"c@x", "d@x"}), 9, "[[1] [0 2]]"},
		{"as many recipients as a message has", personalizations(many[:600], many[:400], many[:2]), 9, "[[0 1] [2]]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			indexes := [][]int{}
			for _, chunk := range email.Chunks(tt.all, tt.size, strings.ToLower) {
				var in []int
				for _, p := range chunk {
					in = append(in, p.Index)
				}
				indexes = append(indexes, in)
			}
			if got := fmt.Sprint(indexes); got != tt.want {
				t.Errorf("Chunks = %s, want %s", got, tt.want)
			}
		})
	}
}

// subject renders data that are a string as a subject.
func subject(data json.RawMessage) (*template.Content, error) {
	switch string(data) {
	case "":
		return nil, nil
	case `"no user"`:
		return nil, fault.InvalidParam("templateData.user", "template_key_missing", "there is no user")
	}
	var text string
	err := json.Unmarshal(data, &text)
	return &template.Content{Subject: text, HTML: "c"}, err
}

func TestABatchNamesWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	ok := func() email.BatchDraft {
		return email.BatchDraft{TemplateID: "welcome", Personalizations: personalizations([]string{"ada@example.com"}, []string{"bob@example.com"})}
	}
	for _, tt := range []struct {
		name, param string
		change      func(*email.BatchDraft)
	}{
		{"no template", "template_id", func(d *email.BatchDraft) { d.TemplateID = "" }},
		{"no personalization", "personalizations", func(d *email.BatchDraft) { d.Personalizations = nil }},
		{"one personalization too many", "personalizations", func(d *email.BatchDraft) {
			d.Personalizations = slices.Repeat(d.Personalizations[:1], email.MaxPersonalizations+1)
		}},
		{"no recipient in one", "personalizations[1].to", func(d *email.BatchDraft) { d.Personalizations[1].To = nil }},
		{"an address that is none", "personalizations[1].to[0]", func(d *email.BatchDraft) { d.Personalizations[1].To[0].Email = "bob" }},
		{"a subject of two lines by its data", "personalizations[1].dynamic_template_data", func(d *email.BatchDraft) {
			d.Personalizations[1].TemplateData = []byte(`"a\nb"`)
		}},
		{"data that lack a key", "personalizations[1].dynamic_template_data.user", func(d *email.BatchDraft) { d.Personalizations[1].TemplateData = []byte(`"no user"`) }},
		{"a tag with a line break", "tags[0]", func(d *email.BatchDraft) { d.Tags = []string{"a\nb"} }},
		{"a delivery that is none", "delivery", func(d *email.BatchDraft) { d.Delivery = "twice" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := ok()
			tt.change(&d)
			err := d.Check(subject)
			if !fault.Is(err, fault.Invalid) || fault.From(err).Param != tt.param {
				t.Errorf("Check = %v at %q, want invalid at %q", err, fault.From(err).Param, tt.param)
			}
		})
	}
	if err := ok().Check(subject); err != nil {
		t.Errorf("Check of a plain batch = %v", err)
	}
}

func TestWhatMergesPersonalizations(t *testing.T) {
	t.Parallel()
	stores := func(string) bool { return true }
	source := &template.Source{Name: "welcome"}
	two := personalizations([]string{"a@x"}, []string{"b@x"})
	for _, tt := range []struct {
		name     string
		features email.Features
		message  email.Message
		want     bool
	}{
		{"data for a stored template", email.Features{Personalizations: 2, MergesData: true, Templates: stores}, email.Message{TemplateID: "t", Personalizations: two}, true},
		{"data for a template that is not stored", email.Features{Personalizations: 2, MergesData: true}, email.Message{TemplateID: "t", Source: source, Personalizations: two}, false},
		{"contents with a source", email.Features{Personalizations: 2, MergesContent: true}, email.Message{TemplateID: "t", Source: source, Personalizations: two}, true},
		{"contents without a source", email.Features{Personalizations: 2, MergesContent: true}, email.Message{TemplateID: "t", Personalizations: two}, false},
		{"more than it carries", email.Features{Personalizations: 1, MergesContent: true}, email.Message{TemplateID: "t", Source: source, Personalizations: two}, false},
		{"several recipients in one", email.Features{Personalizations: 2, MergesContent: true}, email.Message{TemplateID: "t", Source: source, Personalizations: personalizations([]string{"a@x", "b@x"})}, false},
		{"a provider of single messages", email.Features{}, email.Message{TemplateID: "t", Source: source, Personalizations: two}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.features.Carry(tt.message)
			if got := err == nil; got != tt.want {
				t.Errorf("carried = %t, want %t: %v", got, tt.want, err)
			}
		})
	}
}

func TestABatchNamesAllCopiesThatAreWrong(t *testing.T) {
	t.Parallel()
	of := func(addresses ...string) email.BatchDraft {
		d := email.BatchDraft{TemplateID: "welcome"}
		for _, a := range addresses {
			d.Personalizations = append(d.Personalizations, personalizations([]string{a})...)
		}
		for i := range d.Personalizations {
			d.Personalizations[i].Index = i
		}
		return d
	}
	shared := of("ada@example.com", "bob@example.com")
	shared.Tags = []string{""}
	tests := map[string]struct {
		draft       email.BatchDraft
		param, also string
	}{
		"one":                         {of("ada@example.com", "bob"), "personalizations[1].to[0]", ""},
		"three":                       {of("ada", "bob@example.com", "eve", "joe"), "personalizations[0].to[0]", "; also wrong: personalizations[2].to[0] (invalid_address), personalizations[3].to[0] (invalid_address)"},
		"more than are named":         {of(slices.Repeat([]string{"ada"}, 24)...), "personalizations[0].to[0]", ", and 3 more"},
		"what is wrong with them all": {shared, "tags[0]", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fault.From(tt.draft.Check(subject))
			if f.Param != tt.param || !strings.HasSuffix(f.Message, tt.also) || tt.also == "" && strings.Contains(f.Message, "also") {
				t.Errorf("Check = %v, want it at %s, with %q in the end", f, tt.param, tt.also)
			}
		})
	}
}
