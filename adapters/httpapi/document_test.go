package httpapi_test

import (
	"encoding/json"
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"patchbay/core/email"
	"patchbay/core/payment"
)

// parameter is a parameter of the OpenAPI document.
type parameter struct {
	Ref             string `json:"$ref"`
	Name, In, Style string
}

// key returns a key of a query that is about the parameter.
func (p parameter) key() string {
	if p.Style == "deepObject" {
		return p.Name + "[a]"
	}
	return p.Name
}

// described is an operation of the document, with all its parameters.
type described struct {
	method, path string
	parameters   []parameter
}

// document returns the OpenAPI document that the API serves.
type document struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters map[string]parameter
		Schemas    map[string]struct {
			Enum       []string
			Properties map[string]struct{ Description string }
		}
	}
}

func (r *rig) document(t *testing.T) document {
	t.Helper()
	var d document
	if err := json.Unmarshal([]byte(r.do(t, "GET", "/openapi.json", "").body), &d); err != nil || len(d.Paths) < 10 {
		t.Fatalf("%d paths, %v, want at least 10 paths", len(d.Paths), err)
	}
	return d
}

func (d document) operations(t *testing.T) []described {
	t.Helper()
	var all []described
	for path, methods := range d.Paths {
		var shared []parameter
		if raw, ok := methods["parameters"]; ok {
			if err := json.Unmarshal(raw, &shared); err != nil {
				t.Fatal(err)
			}
		}
		for method, raw := range methods {
			if method == "parameters" {
				continue
			}
			var own struct{ Parameters []parameter }
			if err := json.Unmarshal(raw, &own); err != nil {
				t.Fatal(err)
			}
			one := described{strings.ToUpper(method), path, slices.Concat(shared, own.Parameters)}
			for i, p := range one.parameters {
				if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
					one.parameters[i] = d.Components.Parameters[name]
				}
			}
			all = append(all, one)
		}
	}
	return all
}

// A parameter that the document names is accepted, and no other is.
func TestTheDocumentNamesTheParametersOfEveryRoute(t *testing.T) {
	t.Parallel()
	r, _ := shop(t)
	d := r.document(t)
	inQuery := make(map[string]bool)
	for _, p := range d.Components.Parameters {
		if p.In == "query" {
			inQuery[p.key()] = true
		}
	}
	if len(inQuery) < 5 {
		t.Fatalf("got %v, want at least 5 inQuery", inQuery)
	}
	for _, o := range d.operations(t) {
		if !strings.HasPrefix(o.path, "/api/") || strings.HasPrefix(o.path, "/api/webhooks/") {
			continue // these take any
		}
		has := func(name string) bool {
			return slices.ContainsFunc(o.parameters, func(p parameter) bool { return p.In == "query" && p.key() == name })
		}
		for _, name := range slices.Sorted(maps.Keys(inQuery)) {
			a := r.do(t, o.method, strings.NewReplacer("{id}", "pay_1", "{number}", "0").Replace(o.path)+"?"+name+"=", "")
			if taken := a.err.Code != "unknown_parameter"; taken != has(name) {
				t.Errorf("%s %s: the document says of %s %v, the API %d %s", o.method, o.path, name, has(name), a.status, a.body)
			}
		}
	}
}

// The description of the feed names each type of event of emails, batches and the rest, in backquotes.
func TestTheDocumentNamesTheTypesOfEvents(t *testing.T) {
	t.Parallel()
	want := []string{"batch.accepted", "suppression.added", "suppression.removed", "user.created", "user.updated", "user.deleted"}
	for _, s := range email.Statuses() {
		if s != email.Delivered && s != email.Split { // never published for the email itself
			want = append(want, "message."+string(s))
		}
	}
	for _, e := range []email.Event{
		email.EventDeferred, email.EventDelivered, email.EventRejected, email.EventBounced, email.EventComplained,
		email.EventOpened, email.EventClicked, email.EventUnsubscribed,
	} {
		want = append(want, "message."+string(e))
	}
	text := serve(t).document(t).Components.Schemas["FeedEvent"].Properties["type"].Description
	got := regexp.MustCompile("`(?:message|batch|suppression|user)\\.[a-z_]+`").FindAllString(text, -1)
	for i, name := range got {
		got[i] = strings.Trim(name, "`")
	}
	slices.Sort(got)
	slices.Sort(want)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("the document names %q, want %q", got, want)
	}
}

func TestThePageShowsTheParameters(t *testing.T) {
	t.Parallel()
	r := serve(t)
	page := html.UnescapeString(r.do(t, "GET", "/docs", "").body)
	articles := strings.Split(page, "<article>")
	for _, o := range r.document(t).operations(t) {
		head := `<span class="method">` + o.method + `</span> <code>` + o.path + `</code>`
		at := slices.IndexFunc(articles, func(a string) bool { return strings.Contains(a, head) })
		if at < 0 {
			t.Errorf("%s %s is not shown", o.method, o.path)
			continue
		}
		for _, p := range o.parameters {
			if !strings.Contains(articles[at], "<code>"+p.Name) {
				t.Errorf("%s %s is shown without %s, want %q in it", o.method, o.path, p.Name, "<code>"+p.Name)
			}
		}
	}
}

func TestTheDocumentNamesTheStatuses(t *testing.T) {
	t.Parallel()
	d := serve(t).document(t)
	payments, emails := d.Components.Schemas["PaymentStatus"].Enum, d.Components.Schemas["MessageStatus"].Enum
	if len(payments) != 7 || len(emails) != 9 {
		t.Fatalf("got %v, %v, want 7 payments, 9 emails", payments, emails)
	}
	for _, s := range payments {
		if !payment.Status(s).Known() {
			t.Errorf("a payment is never %s", s)
		}
	}
	for _, s := range emails {
		if !email.Status(s).Known() {
			t.Errorf("a message is never %s", s)
		}
	}
}
