package sendgridsim

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"patchbay/adapters/handlebars"
	"patchbay/adapters/htmltext"
	"patchbay/core/email"
	"patchbay/core/template"
)

// The limits of templates.
const (
	maxVersions    = 300 // of all templates together
	maxVersionName = 100 // characters
	maxSubject     = 255 // characters
)

// Version is a version of a dynamic template.
type Version struct {
	ID            string `json:"id"`
	TemplateID    string `json:"template_id"`
	Active        int    `json:"active"` // 1 for the one that is sent
	Name          string `json:"name"`
	HTML          string `json:"html_content"`
	Plain         string `json:"plain_content"`
	GeneratePlain bool   `json:"generate_plain_content"`
	Subject       string `json:"subject"`
	UpdatedAt     string `json:"updated_at"`
}

// templates are the dynamic templates that an account stores.
type templates struct {
	mu   sync.Mutex
	byID map[string]*held
}

type held struct {
	name     string
	versions []Version
}

// Versions returns the versions of a template, oldest first, or nil if the account does not store it.
func (t *templates) Versions(id string) []Version {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.byID[id]; h != nil {
		return slices.Clone(h.versions)
	}
	return nil
}

// Store stores a template with the given versions, of which there may be none.
func (t *templates) Store(id string, versions ...Version) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(id, &held{name: id, versions: versions})
}

// put stores a template. t.mu is held.
func (t *templates) put(id string, h *held) {
	if t.byID == nil {
		t.byID = make(map[string]*held)
	}
	t.byID[id] = h
}

// errTemplate is the error for a template that the account does not store.
var errTemplate = wrong{"The template_id must be the id of an existing template.", "template_id"}

// content returns what a stored template says with the data of a personalization. An account that
// stores no template at all takes every id, and its messages then have no body.
func (t *templates) content(id string, data json.RawMessage) (template.Content, *wrong) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !strings.HasPrefix(id, "d-") || len(t.byID) == 0 {
		return template.Content{}, nil
	}
	h := t.byID[id]
	if h == nil {
		return template.Content{}, &errTemplate
	}
	i := slices.IndexFunc(h.versions, func(v Version) bool { return v.Active == 1 })
	if i < 0 {
		return template.Content{}, &errTemplate
	}
	values := map[string]any{}
	if len(data) > 0 && json.Unmarshal(data, &values) != nil {
		return template.Content{}, &wrong{"dynamic_template_data must be an object.", "personalizations"}
	}
	v := h.versions[i]
	content, err := handlebars.New(template.MissingIsEmpty).Render(template.Source{Name: id, Subject: v.Subject, HTML: v.HTML, Text: v.Plain}, values)
	if err != nil {
		return content, &wrong{"The template cannot be rendered: " + err.Error(), "template_id"}
	}
	if v.GeneratePlain {
		content.Text = htmltext.Text{}.Text(content.HTML)
	}
	return content, nil
}

// messages returns the message for each personalization.
func (t *templates) messages(l letter) ([]email.Message, *wrong) {
	all := make([]email.Message, len(l.Personalizations))
	for i, p := range l.Personalizations {
		all[i] = l.message(p)
		content, bad := t.content(l.TemplateID, p.TemplateData)
		if bad != nil {
			return nil, bad
		}
		if content != (template.Content{}) {
			all[i].Subject, all[i].HTML, all[i].Text = content.Subject, content.HTML, content.Text
		}
	}
	return all, nil
}

// routes returns the API of templates.
func (t *templates) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/templates", t.create)
	mux.HandleFunc("GET /v3/templates/{id}", t.on(func(w http.ResponseWriter, r *http.Request, h *held) {
		answer(w, http.StatusOK, h.shown(r.PathValue("id")))
	}))
	mux.HandleFunc("POST /v3/templates/{id}/versions", t.on(t.add))
	mux.HandleFunc("PATCH /v3/templates/{id}/versions/{version}", t.on(t.edit))
	mux.HandleFunc("DELETE /v3/templates/{id}/versions/{version}", t.on(func(w http.ResponseWriter, r *http.Request, h *held) {
		h.versions = slices.DeleteFunc(h.versions, func(v Version) bool { return v.ID == r.PathValue("version") })
		w.WriteHeader(http.StatusNoContent)
	}))
	return mux
}

func (h *held) shown(id string) map[string]any {
	return map[string]any{"id": id, "name": h.name, "generation": "dynamic", "versions": slices.Clone(h.versions)}
}

// on calls a handler with the template that the path names, and with t.mu held.
func (t *templates) on(handle func(w http.ResponseWriter, r *http.Request, h *held)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		h := t.byID[r.PathValue("id")]
		if h == nil {
			refuse(w, http.StatusNotFound, "template not found", "")
			return
		}
		handle(w, r, h)
	}
}

func (t *templates) create(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name, Generation string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Name == "" || in.Generation != "dynamic" {
		refuse(w, http.StatusBadRequest, "a name, and the generation dynamic, are required", "name")
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id, h := "d-"+strings.ToLower(rand.Text()), &held{name: in.Name}
	t.put(id, h)
	answer(w, http.StatusCreated, h.shown(id))
}

func (t *templates) add(w http.ResponseWriter, r *http.Request, h *held) {
	v := Version{ID: strings.ToLower(rand.Text()), TemplateID: r.PathValue("id"), GeneratePlain: true}
	total := 0
	for _, other := range t.byID {
		total += len(other.versions)
	}
	if total >= maxVersions {
		refuse(w, http.StatusBadRequest, "You have reached the limit of versions.", "")
		return
	}
	if len(h.versions) == 0 {
		v.Active = 1
	}
	if v.read(w, r) {
		h.keep(len(h.versions), v)
		answer(w, http.StatusCreated, v)
	}
}

func (t *templates) edit(w http.ResponseWriter, r *http.Request, h *held) {
	i := slices.IndexFunc(h.versions, func(v Version) bool { return v.ID == r.PathValue("version") })
	if i < 0 {
		refuse(w, http.StatusNotFound, "version not found", "")
		return
	}
	if v := h.versions[i]; v.read(w, r) {
		h.keep(i, v)
		answer(w, http.StatusOK, v)
	}
}

// keep stores a version as the i-th. If it is active, no other is.
func (h *held) keep(i int, v Version) {
	if v.Active == 1 {
		for n := range h.versions {
			h.versions[n].Active = 0
		}
	}
	h.versions = append(h.versions[:i:i], append([]Version{v}, h.versions[min(i+1, len(h.versions)):]...)...)
}

// read reads the fields that a request has, and answers it if they are not valid.
func (v *Version) read(w http.ResponseWriter, r *http.Request) (ok bool) {
	id, of := v.ID, v.TemplateID
	err := json.NewDecoder(r.Body).Decode(v)
	v.ID, v.TemplateID, v.UpdatedAt = id, of, time.Now().UTC().Format(time.DateTime)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "Bad Request", "")
	case v.Name == "" || len(v.Name) > maxVersionName:
		refuse(w, http.StatusBadRequest, "name must have 1 to 100 characters", "name")
	case v.Subject == "" || len(v.Subject) > maxSubject:
		refuse(w, http.StatusBadRequest, "subject must have 1 to 255 characters", "subject")
	case cmp.Or(v.HTML, v.Plain) == "":
		refuse(w, http.StatusBadRequest, "html_content or plain_content is required", "html_content")
	default:
		return true
	}
	return false
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}
