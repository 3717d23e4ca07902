package handlebars_test

import (
	"encoding/json"
	"strings"
	"testing"

	"patchbay/adapters/handlebars"
	"patchbay/core/fault"
	"patchbay/core/template"
)

func data(t testing.TB, text string) map[string]any {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func html(text string) template.Source {
	return template.Source{Name: "welcome", Subject: "Hello", HTML: text}
}

func TestRender(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, html, data, want string }{
		{"a value is printed", "Hello {{name}}!", `{"name":"Ada"}`, "Hello Ada!"},
		{"a value is escaped in HTML", "{{name}}", `{"name":"<a href='x'>&\"="}`, "&lt;a href&#x3D;&#x27;x&#x27;&gt;&amp;&quot;&#x3D;"},
		{"three braces do not escape", "{{{name}}}", `{"name":"<b>"}`, "<b>"},
		{"an ampersand does not escape", "{{&name}}", `{"name":"<b>"}`, "<b>"},
		{"a nested value is printed", "{{user.address.city}}", `{"user":{"address":{"city":"Ulm"}}}`, "Ulm"},
		{"an element of an array is printed", "{{items.[1]}} {{items.[0].name}}", `{"items":[{"name":"a"},"b"]}`, "b a"},
		{"a key with blanks is written in brackets", "{{[first name]}}", `{"first name":"Ada"}`, "Ada"},
		{"null prints nothing", "[{{x}}]", `{"x":null}`, "[]"},
		{"false and zero are printed", "{{a}} {{b}}", `{"a":false,"b":0}`, "false 0"},
		{"a whole number has no fraction", "{{n}}", `{"n":1.0}`, "1"},
		{"a fraction is as short as it can be", "{{n}}", `{"n":19.90}`, "19.9"},
		{"a long number is printed as JavaScript does", "{{n}}", `{"n":12345678901234567890}`, "12345678901234567000"},
		{"a comment prints nothing", "a{{! note }}b{{!-- {{note}} --}}c", `{}`, "abc"},
		{"a tilde strips blanks", "a {{~x~}} b", `{"x":1}`, "a1b"},
		{"an escaped mustache is text", `\{{x}}`, `{}`, "{{x}}"},

		{"if holds for what is there", "{{#if a}}yes{{else}}no{{/if}}", `{"a":"x"}`, "yes"},
		{"if does not hold for zero", "{{#if a}}yes{{else}}no{{/if}}", `{"a":0}`, "no"},
		{"if does not hold for an empty array", "{{#if a}}yes{{else}}no{{/if}}", `{"a":[]}`, "no"},
		{"if does not hold for a missing key", "{{#if a.b}}yes{{else}}no{{/if}}", `{}`, "no"},
		{"else if", "{{#if a}}1{{else if b}}2{{else}}3{{/if}}", `{"b":true}`, "2"},
		{"unless", "{{#unless a}}yes{{/unless}}", `{"a":false}`, "yes"},
		{"and needs both", "{{#and a b}}yes{{else}}no{{/and}}", `{"a":"Pasta","b":""}`, "no"},
		{"or needs one", "{{#or a b}}yes{{else}}no{{/or}}", `{"b":1}`, "yes"},
		{"equals compares a number with a text", `{{#equals a "3"}}yes{{/equals}}`, `{"a":3}`, "yes"},
		{"notEquals", `{{#notEquals a b}}yes{{else}}no{{/notEquals}}`, `{"a":1,"b":1}`, "no"},
		{"equal, as Mailgun calls it", `{{#equal a b}}yes{{/equal}}`, `{"a":"x","b":"x"}`, "yes"},
		{"greaterThan", "{{#greaterThan a 5}}yes{{else}}no{{/greaterThan}}", `{"a":10}`, "yes"},
		{"greaterThan compares numbers in texts as numbers", "{{#greaterThan a b}}yes{{else}}no{{/greaterThan}}", `{"a":"10","b":"9"}`, "yes"},
		{"lessThan with else if", "{{#lessThan a 5}}less{{else if b}}b{{/lessThan}}", `{"a":7,"b":1}`, "b"},
		{"length of an array", "{{#greaterThan (length items) 0}}some{{else}}none{{/greaterThan}}", `{"items":[1]}`, "some"},
		{"length of a missing key is 0", "{{#greaterThan (length items) 0}}some{{else}}none{{/greaterThan}}", `{}`, "none"},
		{"length counts as JavaScript does", "{{length a}}", `{"a":"ü😀"}`, "3"},

		{"each prints elements in order", "{{#each a}}{{@index}}={{this}}{{#unless @last}}, {{/unless}}{{/each}}", `{"a":["x","y"]}`, "0=x, 1=y"},
		{"each prints members by name", "{{#each a}}{{@key}}={{this}};{{/each}}", `{"a":{"b":1,"a":2,"c":3}}`, "a=2;b=1;c=3;"},
		{"each of nothing prints else", "{{#each a}}x{{else}}none{{/each}}", `{"a":[]}`, "none"},
		{"the outer context is written with two dots", "{{#each items}}{{name}} for {{../name}};{{/each}}", `{"name":"Ada","items":[{"name":"tea"}]}`, "tea for Ada;"},
		{"if opens no context", "{{#each items}}{{#if ok}}{{../name}}{{/if}}{{/each}}", `{"name":"Ada","items":[{"ok":true}]}`, "Ada"},
		{"the root is written @root", "{{#each a}}{{#each this}}{{@root.name}}{{/each}}{{/each}}", `{"name":"Ada","a":[[1,2]]}`, "AdaAda"},
		{"the outer index", "{{#each a}}{{#each this}}{{@../index}}{{@index}} {{/each}}{{/each}}", `{"a":[[1,2],[3]]}`, "00 01 10 "},
		{"block parameters", "{{#each a as |item i|}}{{i}}{{item.n}}{{/each}}", `{"a":[{"n":"x"},{"n":"y"}]}`, "0x1y"},
		{"with opens a context", "{{#with user}}{{name}}{{/with}}", `{"user":{"name":"Ada"}}`, "Ada"},
		{"with of a missing key prints else", "{{#with user}}{{name}}{{else}}nobody{{/with}}", `{}`, "nobody"},
		{"a section of an array", "{{#items}}{{n}}{{/items}}", `{"items":[{"n":1},{"n":2}]}`, "12"},
		{"a section of an object", "{{#user}}{{name}}{{/user}}", `{"user":{"name":"Ada"}}`, "Ada"},
		{"an inverted section of a missing key", "{{^items}}none{{/items}}", `{}`, "none"},
		{"lookup takes a key from the data", "{{lookup prices size}}", `{"prices":{"L":5},"size":"L"}`, "5"},
		{"insert prints a value", `{{insert name "default=Customer"}}`, `{"name":"Ben"}`, "Ben"},
		{"insert prints the default", `{{insert name "default=Customer"}} {{insert firm "your business"}}`, `{}`, "Customer your business"},
		{"a key may be called as a helper", "{{this.length}} {{this.and}}", `{"length":"5 m","and":"x"}`, "5 m x"},
		{"a date in UTC", `{{formatDate at "MMMM DD, YYYY h:mm:ssA"}}`, `{"at":"2020-01-01T23:00:00.000Z"}`, "January 01, 2020 11:00:00PM"},
		{"a date at an offset", `{{formatDate at "ddd D MMM YY HH:mm ZZ" "-0800"}}`, `{"at":"2020-01-01T23:00:00.000Z"}`, "Wed 1 Jan 20 15:00 -0800"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := handlebars.New(template.MissingIsError).Render(html(tt.html), data(t, tt.data))
			if err != nil || got.HTML != tt.want {
				t.Errorf("html = %q, %v; want %q", got.HTML, err, tt.want)
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, html, data, code, param string }{
		{"a missing key", "{{name}}", `{}`, "template_key_missing", "templateData.name"},
		{"a missing key of an object", "{{user.name}}", `{"user":{}}`, "template_key_missing", "templateData.user.name"},
		{"a key of the outer context", "{{#each items}}{{name}}{{/each}}", `{"name":"Ada","items":[{}]}`, "template_key_missing", "templateData.name"},
		{"a missing list", "{{#each items}}{{/each}}", `{}`, "template_key_missing", "templateData.items"},
		{"a missing key under lookup", "{{lookup a b}}", `{"a":{},"b":"c"}`, "template_key_missing", "templateData.c"},
		{"an object", "{{a}}", `{"a":{}}`, "template_data_invalid", ""},
		{"an array", "{{a}}", `{"a":[1]}`, "template_data_invalid", ""},
		{"a number that is printed in several ways", "{{a}}", `{"a":1e21}`, "template_data_invalid", ""},
		{"a comparison with what is no number", "{{#greaterThan a 1}}{{/greaterThan}}", `{"a":"x"}`, "template_data_invalid", ""},
		{"each of a text", "{{#each a}}{{/each}}", `{"a":"x"}`, "template_data_invalid", ""},
		{"a date that is none", `{{formatDate a "YYYY"}}`, `{"a":"soon"}`, "template_data_invalid", ""},
		{"an offset that is none", `{{formatDate a "YYYY" "PST"}}`, `{"a":"2020-01-01"}`, "template_data_invalid", ""},
		{"a loop in loops", strings.Repeat("{{#each @root.a}}", 9) + "x" + strings.Repeat("{{/each}}", 9), `{"a":[1,2,3,4,5,6,7,8,9,10]}`, "template_too_large", ""},
		{"a block that is not closed", "{{#if a}}", `{}`, "template_invalid", ""},
		{"a helper that is not there", "{{upper name}}", `{"name":"x"}`, "template_invalid", ""},
		{"a block helper that is not there", "{{#ifEq a b}}{{/ifEq}}", `{}`, "template_invalid", ""},
		{"a helper within another that is not there", "{{#if (eq a b)}}{{/if}}", `{}`, "template_invalid", ""},
		{"a block helper without its block", "{{if a}}", `{}`, "template_invalid", ""},
		{"a helper without its arguments", "{{#if}}{{/if}}", `{}`, "template_invalid", ""},
		{"a helper with too many arguments", "{{#if a b}}{{/if}}", `{}`, "template_invalid", ""},
		{"a helper with named arguments", "{{#if a includeZero=true}}{{/if}}", `{}`, "template_invalid", ""},
		{"a partial without a file", "{{> header}}", `{}`, "template_invalid", ""},
		{"a variable that is not there", "{{@now}}", `{}`, "template_invalid", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := handlebars.New(template.MissingIsError).Render(html(tt.html), data(t, tt.data))
			f := fault.From(err)
			if err == nil || f.Kind != fault.Invalid || f.Code != tt.code || f.Param != tt.param {
				t.Errorf("got %q, %v (code %q, param %q); want kind invalid, code %q, param %q", got.HTML, err, f.Code, f.Param, tt.code, tt.param)
			}
		})
	}
}

func TestMissingKeysPrintNothingIfConfigured(t *testing.T) {
	t.Parallel()
	got, err := handlebars.New(template.MissingIsEmpty).Render(html("[{{a}}{{b.c}}{{#each d}}x{{/each}}]"), data(t, `{"b":{}}`))
	if want := "[]"; err != nil || got.HTML != want {
		t.Errorf("html = %q, %v; want %q", got.HTML, err, want)
	}
}

func TestOnlyHTMLIsEscaped(t *testing.T) {
	t.Parallel()
	s := template.Source{Name: "welcome", Subject: "For {{name}}", HTML: "{{name}}", Text: "Hi {{name}}"}
	got, err := handlebars.New(template.MissingIsError).Render(s, data(t, `{"name":"A & B"}`))
	if want := (template.Content{Subject: "For A & B", HTML: "A &amp; B", Text: "Hi A & B"}); err != nil || got != want {
		t.Errorf("content = %+v, %v; want %+v", got, err, want)
	}
}

func TestTheSubjectIsOneLine(t *testing.T) {
	t.Parallel()
	s := template.Source{Name: "welcome", Subject: "Hello\n {{name}}\n", Text: "x"}
	got, err := handlebars.New(template.MissingIsError).Render(s, data(t, `{"name":"Ada\r\nBcc: eve@example.com"}`))
	if want := "Hello Ada Bcc: eve@example.com"; err != nil || got.Subject != want {
		t.Errorf("subject = %q, %v; want %q", got.Subject, err, want)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		source  template.Source
		helpers []string
		want    []string
	}{
		{"a whole template has no mistake", template.Source{Subject: "Hi {{name}}", HTML: "{{#if a}}x{{/if}}"}, nil, nil},
		{
			"each mistake is listed with its line",
			template.Source{Subject: "Hi", HTML: "a\n{{upper b}}\n{{lower c}}"},
			nil,
			[]string{"html, line 2: there is no helper upper", "html, line 3: there is no helper lower"},
		},
		{"a syntax error", template.Source{Subject: "Hi", HTML: "a\n{{#if b}}"}, nil, []string{"html, line 2: "}},
		{"a subject is needed", template.Source{HTML: "x"}, nil, []string{"subject, line 1: there is no subject"}},
		{"a body is needed", template.Source{Subject: "x"}, nil, []string{"html, line 1: there is neither html nor text"}},
		{
			"a helper that a target lacks",
			template.Source{Subject: "x", HTML: "{{#with a}}{{/with}}"},
			[]string{"if"},
			[]string{"html, line 1: the helper with is not known there"},
		},
		{
			"a helper in an else that a target lacks",
			template.Source{Subject: "x", Text: "{{#if a}}{{else equals a b}}{{/if}}"},
			[]string{"if"},
			[]string{"text, line 1: the helper equals is not known there"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := handlebars.Check(tt.source, tt.helpers)
			if len(got) != len(tt.want) {
				t.Fatalf("mistakes = %v, want %q", got, tt.want)
			}
			for i, m := range got {
				if !strings.HasPrefix(m.String(), tt.want[i]) {
					t.Errorf("mistake %d = %q, want %q", i, m, tt.want[i])
				}
			}
		})
	}
}

// Whatever a template and its data are, Render returns.
func FuzzRender(f *testing.F) {
	f.Add("{{#each a as |x i|}}{{x}}{{@../index}}{{else}}{{../b}}{{/each}}", `{"a":[1,{"b":[]}]}`)
	f.Add("{{lookup a b}}{{{c}}}{{^d}}{{/d}}{{insert e \"default=x\"}}", `{"a":{},"b":"c"}`)
	f.Add("{{formatDate a \"YYYY\" \"+0100\"}}{{length a}}", `{"a":"2020-01-01"}`)
	f.Fuzz(func(t *testing.T, text, values string) {
		var d map[string]any
		if json.Unmarshal([]byte(values), &d) != nil {
			return
		}
		got, err := handlebars.New(template.MissingIsEmpty).Render(html(text), d)
		if err != nil && (!fault.Is(err, fault.Invalid) || got != (template.Content{})) {
			t.Errorf("%q with %s: %+v, %v; want no content and kind invalid", text, values, got, err)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	s := html("<p>Hello {{user.name}}</p>{{#each items}}<li>{{name}}: {{price}}</li>{{/each}}{{#if vip}}!{{/if}}")
	d := data(b, `{"user":{"name":"Ada"},"vip":true,"items":[{"name":"tea","price":3.5},{"name":"milk","price":1}]}`)
	r := handlebars.New(template.MissingIsError)
	for b.Loop() {
		if _, err := r.Render(s, d); err != nil {
			b.Fatal(err)
		}
	}
}
