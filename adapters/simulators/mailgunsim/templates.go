package mailgunsim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"patchbay/adapters/handlebars"
	"patchbay/adapters/htmltext"
	"patchbay/core/template"
)

// The limits of templates.
const (
	maxTemplates = 100
	maxVersions  = 40
	maxTemplate  = 100_000 // bytes
)

// Version is a version of a stored template.
type Version struct {
	Tag      string            `json:"tag"`
	Template string            `json:"template,omitempty"`
	Engine   string            `json:"engine"`
	Created  string            `json:"createdAt"`
	Comment  string            `json:"comment"`
	Active   bool              `json:"active"`
	Headers  map[string]string `json:"headers,omitempty"` // From, Subject and Reply-To
}

// templates are those that a domain stores, by name in lower case.
type templates struct {
	mu     sync.Mutex
	byName map[string]*held
}

type held struct {
	description, created string
	versions             []Version
}

// Versions returns the versions of a template, oldest first, or nil if the domain does not store it.
func (t *templates) Versions(name string) []Version {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.byName[strings.ToLower(name)]; h != nil {
		return slices.Clone(h.versions)
	}
	return nil
}

// Store stores a template with the given versions, of which there may be none.
func (t *templates) Store(name string, versions ...Version) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(name).versions = versions
}

// put returns a new template without versions. t.mu is held.
func (t *templates) put(name string) *held {
	if t.byName == nil {
		t.byName = make(map[string]*held)
	}
	h := &held{created: time.Now().UTC().Format(time.RFC1123)}
	t.byName[strings.ToLower(name)] = h
	return h
}

// fill replaces the template that a form names by what it says, rendered with the variables of the
// form. It returns what is wrong. A domain that stores no template at all takes every name, and
// leaves the form as it is.
func (t *templates) fill(f fields) (wrong string) {
	name := f.first("template")
	t.mu.Lock()
	defer t.mu.Unlock()
	if name == "" || len(t.byName) == 0 {
		return ""
	}
	h := t.byName[strings.ToLower(name)]
	if h == nil {
		return "template " + name + " not found"
	}
	tag := f.first("t:version")
	i := slices.IndexFunc(h.versions, func(v Version) bool { return tag == "" && v.Active || tag != "" && v.Tag == tag })
	if i < 0 {
		return "template " + name + " not found: it has no such version"
	}
	data := map[string]any{}
	if text := f.first("t:variables"); text != "" {
		_ = json.Unmarshal([]byte(text), &data) // checkForm has validated it
	}
	v := h.versions[i]
	source := template.Source{Name: name, Subject: cmp.Or(v.Headers["Subject"], "-"), HTML: v.Template}
	content, err := handlebars.New(template.MissingIsEmpty).Render(source, data)
	if err != nil {
		return "template " + name + " cannot be rendered: " + err.Error()
	}
	f.values["html"] = []string{content.HTML}
	if f.first("t:text") == "yes" {
		f.values["text"] = []string{htmltext.Text{}.Text(content.HTML)}
	}
	if f.first("subject") == "" && v.Headers["Subject"] != "" {
		f.values["subject"] = []string{content.Subject}
	}
	return ""
}

// routes returns the API of templates below /v3/{domain}/templates.
func (t *templates) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/{domain}/templates", t.create)
	mux.HandleFunc("GET /v3/{domain}/templates/{name}", t.on((*templates).show))
	mux.HandleFunc("GET /v3/{domain}/templates/{name}/versions", t.on((*templates).list))
	mux.HandleFunc("POST /v3/{domain}/templates/{name}/versions", t.on((*templates).add))
	mux.HandleFunc("PUT /v3/{domain}/templates/{name}/versions/{tag}", t.on((*templates).update))
	mux.HandleFunc("DELETE /v3/{domain}/templates/{name}/versions/{tag}", t.on((*templates).remove))
	return mux
}

// on calls a handler with the template that the path names, and with t.mu held.
func (t *templates) on(handle func(t *templates, w http.ResponseWriter, r *http.Request, h *held)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		h := t.byName[strings.ToLower(r.PathValue("name"))]
		if h == nil {
			refuse(w, http.StatusNotFound, "template not found")
			return
		}
		handle(t, w, r, h)
	}
}

func (t *templates) create(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := r.FormValue("name")
	switch {
	case name == "":
		refuse(w, http.StatusBadRequest, "name is required")
		return
	case t.byName[strings.ToLower(name)] != nil:
		refuse(w, http.StatusBadRequest, "duplicate template")
		return
	case len(t.byName) >= maxTemplates:
		refuse(w, http.StatusBadRequest, "templates limit exceeded")
		return
	}
	v, wrong := versionOf(r, cmp.Or(r.FormValue("tag"), "initial"))
	if wrong != "" && r.FormValue("template") != "" {
		refuse(w, http.StatusBadRequest, wrong)
		return
	}
	h := t.put(name)
	h.description = r.FormValue("description")
	if v.Template != "" {
		v.Active = true
		h.versions = []Version{v}
	}
	t.answer(w, r, h, &v, "template has been stored")
}

// versionOf returns the version that a request describes, and what is wrong with it.
func versionOf(r *http.Request, tag string) (v Version, wrong string) {
	v = Version{
		Tag: tag, Template: r.FormValue("template"), Engine: cmp.Or(r.FormValue("engine"), "handlebars"), Comment: r.FormValue("comment"),
		Active: r.FormValue("active") == "yes", Created: time.Now().UTC().Format(time.RFC1123),
	}
	switch {
	case tag == "":
		return v, "tag is required"
	case v.Template == "":
		return v, "template is required"
	case len(v.Template) > maxTemplate:
		return v, "template is too large"
	}
	if text := r.FormValue("headers"); text != "" {
		if err := json.Unmarshal([]byte(text), &v.Headers); err != nil {
			return v, "headers is not a JSON object"
		}
	}
	for name := range v.Headers {
		if !slices.Contains([]string{"From", "Subject", "Reply-To"}, name) {
			return v, "header " + name + " is not supported"
		}
	}
	return v, ""
}

func (t *templates) show(w http.ResponseWriter, r *http.Request, h *held) {
	i := slices.IndexFunc(h.versions, func(v Version) bool { return v.Active })
	if r.FormValue("active") != "yes" || i < 0 {
		t.answer(w, r, h, nil, "")
		return
	}
	t.answer(w, r, h, &h.versions[i], "")
}

func (t *templates) list(w http.ResponseWriter, r *http.Request, h *held) {
	all := slices.Clone(h.versions)
	for i := range all {
		all[i].Template = ""
	}
	reply(w, map[string]any{"template": map[string]any{"name": strings.ToLower(r.PathValue("name")), "versions": all}})
}

func (t *templates) add(w http.ResponseWriter, r *http.Request, h *held) {
	v, wrong := versionOf(r, r.FormValue("tag"))
	switch {
	case wrong != "":
		refuse(w, http.StatusBadRequest, wrong)
		return
	case slices.ContainsFunc(h.versions, func(o Version) bool { return o.Tag == v.Tag }):
		refuse(w, http.StatusBadRequest, "duplicate version tag")
		return
	case len(h.versions) >= maxVersions:
		refuse(w, http.StatusBadRequest, "versions limit exceeded")
		return
	}
	v.Active = v.Active || len(h.versions) == 0
	if v.Active {
		h.deactivate()
	}
	h.versions = append(h.versions, v)
	t.answer(w, r, h, &v, "new version of the template has been stored")
}

func (h *held) deactivate() {
	for i := range h.versions {
		h.versions[i].Active = false
	}
}

func (t *templates) update(w http.ResponseWriter, r *http.Request, h *held) {
	i := slices.IndexFunc(h.versions, func(v Version) bool { return v.Tag == r.PathValue("tag") })
	if i < 0 {
		refuse(w, http.StatusNotFound, "version not found")
		return
	}
	v := h.versions[i]
	if r.FormValue("template") != "" {
		changed, wrong := versionOf(r, v.Tag)
		if wrong != "" {
			refuse(w, http.StatusBadRequest, wrong)
			return
		}
		v.Template = changed.Template
		if changed.Headers != nil {
			v.Headers = changed.Headers
		}
	}
	v.Comment = cmp.Or(r.FormValue("comment"), v.Comment)
	if r.FormValue("active") == "yes" {
		h.deactivate()
		v.Active = true
	}
	h.versions[i] = v
	t.answer(w, r, h, &h.versions[i], "version has been updated")
}

func (t *templates) remove(w http.ResponseWriter, r *http.Request, h *held) {
	h.versions = slices.DeleteFunc(h.versions, func(v Version) bool { return v.Tag == r.PathValue("tag") })
	t.answer(w, r, h, nil, "version has been deleted")
}

func (t *templates) answer(w http.ResponseWriter, r *http.Request, h *held, v *Version, message string) {
	one := map[string]any{
		"name": strings.ToLower(cmp.Or(r.PathValue("name"), r.FormValue("name"))), "description": h.description, "createdAt": h.created,
	}
	if v != nil && v.Template != "" {
		one["version"] = v
	}
	all := map[string]any{"template": one}
	if message != "" {
		all["message"] = message
	}
	reply(w, all)
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}
