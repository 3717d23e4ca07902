package templatedir_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/templatedir"
	"patchbay/core/fault"
	"patchbay/core/template"
)

func files(texts map[string]string) fstest.MapFS {
	dir := fstest.MapFS{}
	for name, text := range texts {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return dir
}

func TestRead(t *testing.T) {
	t.Parallel()
	got, err := templatedir.Read(files(map[string]string{
		"welcome.subject.hbs": "Hello {{name}}\n", "welcome.html.hbs": "<p>{{name}}</p>{{> footer}}", "welcome.text.hbs": "{{name}}\n{{~> footer ~}}\n",
		"_footer.hbs": "by {{> firm}}\n", "_firm.hbs": "{{firm}}\n", ".gitkeep": "",
		"README": "Ask Ada.", "readme.md": "Ask Ada.", "welcome.html.hbs~": "<p>old", "#welcome.html.hbs#": "<p>new", "welcome.text.hbs.bak": "old",
	}))
	want := template.Source{Name: "welcome", Subject: "Hello {{name}}\n", HTML: "<p>{{name}}</p>by {{firm}}", Text: "{{name}}\nby {{firm}}\n"}
	if err != nil || len(got) != 1 || got["welcome"] != want {
		t.Errorf("sources = %+v, %v; want %+v", got, err, want)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a file that is none of a template", map[string]string{"welcome.htm.hbs": "x"}, "welcome.htm.hbs: is not a file of a template; remove it, or name it as welcome.subject.hbs"},
		{"one that would be ignored if it were no template", map[string]string{"README.hbs": "x"}, "README.hbs: is not a file of a template"},
		{"a partial without a file", map[string]string{"a.html.hbs": "{{> b}}"}, "a.html.hbs: there is no file _b.hbs"},
		{"a partial within itself", map[string]string{"a.html.hbs": "{{> b}}", "_b.hbs": "{{> c}}", "_c.hbs": "{{> b}}"}, "stands within itself"},
		{"a file that is too large", map[string]string{"a.html.hbs": strings.Repeat("x", 1<<20+1)}, "a.html.hbs: it has more than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := templatedir.Read(files(tt.files)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

// check finds a source wrong that says so.
func check(s template.Source) error {
	if strings.Contains(s.HTML, "wrong") {
		return errors.New(s.Name + " is wrong")
	}
	return nil
}

func TestOpenReportsAllMistakes(t *testing.T) {
	t.Parallel()
	wrong := map[string]string{"a.html.hbs": "wrong", "b.html.hbs": "wrong", "c.html.hbs": "{{> missing}}", "d.doc": ""}
	_, err := templatedir.Open(files(wrong), check, clock.System{}, slog.New(slog.DiscardHandler))
	for _, want := range []string{"a is wrong", "b is wrong", "_missing.hbs", "d.doc"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want one with %q", err, want)
		}
	}
}

func TestFindReadsChangedFiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(dir fstest.MapFS)
		want   string // HTML; "" if the template is not found
		logged string
	}{
		{"nothing changes", func(fstest.MapFS) {}, "one", ""},
		{"a changed file is read", func(dir fstest.MapFS) { dir["a.html.hbs"] = &fstest.MapFile{Data: []byte("second")} }, "second", ""},
		{"a changed partial is read", func(dir fstest.MapFS) {
			dir["a.html.hbs"] = &fstest.MapFile{Data: []byte("{{> p}}")}
			dir["_p.hbs"] = &fstest.MapFile{Data: []byte("part")}
		}, "part", ""},
		{"a removed template is not found", func(dir fstest.MapFS) { delete(dir, "a.html.hbs") }, "", ""},
		{"a template that is wrong now stays as it was", func(dir fstest.MapFS) { dir["a.html.hbs"] = &fstest.MapFile{Data: []byte("wrong")} }, "one", "email template stays as it was"},
		{"a changed file is read beside a template without its partial", func(dir fstest.MapFS) {
			dir["a.html.hbs"] = &fstest.MapFile{Data: []byte("second")}
			dir["b.html.hbs"] = &fstest.MapFile{Data: []byte("{{> missing}}")}
		}, "second", "template=b"},
		{"a changed file is read beside a file that is none of a template", func(dir fstest.MapFS) {
			dir["a.html.hbs"] = &fstest.MapFile{Data: []byte("second")}
			dir["x.doc"] = &fstest.MapFile{}
		}, "second", "template=x.doc"},
		{"all stay as they were if a file cannot be read", func(dir fstest.MapFS) {
			dir["a.html.hbs"] = &fstest.MapFile{Data: []byte("second")}
			dir["b.html.hbs"] = &fstest.MapFile{Data: make([]byte, 1<<20+1)}
		}, "one", "email templates are not read again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir, log := files(map[string]string{"a.html.hbs": "one"}), new(bytes.Buffer)
				d, err := templatedir.Open(dir, check, clock.System{}, slog.New(slog.NewTextHandler(log, nil)))
				if err != nil {
					t.Fatal(err)
				}
				tt.change(dir)
				<-time.After(2 * time.Second)
				got, err := d.Find("a")
				if found := err == nil; got.HTML != tt.want || found != (tt.want != "") || !found && !fault.Is(err, fault.NotFound) {
					t.Errorf("html = %q, %v; want %q", got.HTML, err, tt.want)
				}
				if !strings.Contains(log.String(), tt.logged) {
					t.Errorf("log = %q, want one with %q", log, tt.logged)
				}
			})
		})
	}
}
