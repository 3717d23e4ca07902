package ports_test

import (
	"encoding/json"
	"maps"
	"testing"

	"patchbay/core/fault"
	"patchbay/ports"
)

type thing struct {
	ID   string   `json:"id"`
	Tags []string `json:"tags"`
}

func TestWhatIsNoneOfItsKindIsNotDecoded(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"null":                                `null`,
		"null with space":                     " \n null ",
		"nothing":                             ``,
		"a list":                              `[{"id":"a"}]`,
		"a text":                              `"a"`,
		"a number":                            `1`,
		"no JSON":                             `{"id":"a"`,
		"two documents":                       `{"id":"a"}{"id":"a"}`,
		"another type":                        `{"url":"https://example.com"}`,
		"an empty object":                     `{}`,
		"of another name":                     `{"id":"b"}`,
		"a member of another type":            `{"id":"a","tags":"one"}`,
		"a newer version":                     `{"id":"a","recordVersion":2}`,
		"a version that is none":              `{"id":"a","recordVersion":"1"}`,
		"a newer version, as its last member": `{"id":"a","tags":["recordVersion"],"recordVersion": 99}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := ports.Record{Kind: "thing", ID: "a", Body: []byte(body)}
			got, err := ports.Decode(r, func(v thing) bool { return v.ID == r.ID })
			if !fault.Is(err, fault.Internal) || fault.From(err).Code != ports.CodeUndecodable || got.ID != "" || got.Tags != nil {
				t.Errorf("%+v, %v", got, err)
			}
			if string(r.Body) != body {
				t.Errorf("the body is %s", r.Body)
			}
		})
	}
}

func TestWhatIsOfItsKindIsDecoded(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"as written":              `{"id":"a","tags":["x"]}`,
		"with space around it":    " {\"id\":\"a\",\"tags\":[\"x\"]}\n",
		"with a member more":      `{"id":"a","tags":["x"],"colour":"red"}`,
		"the version that it has": `{"id":"a","tags":["x"],"recordVersion":1}`,
		"a version within it":     `{"id":"a","tags":["x"],"inner":{"recordVersion":7}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ports.Decode(ports.Record{Kind: "thing", ID: "a", Body: []byte(body)}, func(v thing) bool { return v.ID == "a" })
			if err != nil || got.ID != "a" || len(got.Tags) != 1 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestAUserAsCreatedIsOfItsName(t *testing.T) {
	t.Parallel()
	if u, err := ports.DecodeUser([]byte(`{"id":"usr_1","email":"a@example.com"}`), "usr_1"); err != nil || u.Email == "" {
		t.Errorf("%+v, %v", u, err)
	}
	for _, raw := range []string{`null`, `{}`, `{"id":"usr_2"}`, `{"id":"usr_1","version":"1"}`} {
		if u, err := ports.DecodeUser([]byte(raw), "usr_1"); fault.From(err).Code != ports.CodeUndecodable || u.ID != "" {
			t.Errorf("%s: %+v, %v", raw, u, err)
		}
	}
}

// What has no name of its own is an object all the same: null would be a default.
func TestWhatHasNoNameIsAnObject(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`null`, ` null`, `[]`, `"a"`, ``} {
		metadata := map[string]string{"kept": "as it was"}
		err := ports.DecodeJSON("metadata", []byte(raw), &metadata)
		_, rerr := ports.Decode(ports.Record{Kind: "thing", Body: []byte(raw)}, func(map[string]string) bool { return true })
		if fault.From(err).Code != ports.CodeUndecodable || fault.From(rerr).Code != ports.CodeUndecodable || metadata["kept"] == "" {
			t.Errorf("%q: %v, %v, %v", raw, metadata, err, rerr)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`null`, `{"id":"a"}`, `{"recordVersion":2}`, `{}`, ` {`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		v, err := ports.Decode(ports.Record{Kind: "thing", ID: "a", Body: []byte(body)}, func(v thing) bool { return v.ID == "a" })
		if (err == nil) != (v.ID == "a") {
			t.Errorf("%q: %+v, %v", body, v, err)
		}
	})
}

// A key of metadata is the caller's, whatever it is called.
func TestMetadataHasNoVersion(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`{"recordVersion":"2"}`, `{ "recordVersion": "two" }`} {
		if got, err := ports.DecodeMetadata([]byte(raw)); err != nil || got["recordVersion"] == "" {
			t.Errorf("%s: %v, %v", raw, got, err)
		}
	}
}

// FuzzDecodeMetadata holds that metadata is read as encoding/json reads it.
func FuzzDecodeMetadata(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":"b"}`, `{"a":"b","c":"ü"}`, `{"a":"b",}`, `{,"a":"b"}`, `{"a":"b""c":"d"}`, `{"a":"b","a":"c"}`, `{"a":"\n"}`, "{\"a\":\"\n\"}",
		"{\"a\":\"\xff\"}", `{"a" : "b"}`, `{"a":1}`, `{"a":null}`, `{"a":"b"} `, `{"a":"b"}}`, `{"a"}`, `{"a":"}`, `{"`, `null`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want map[string]string
		wrong := json.Unmarshal(raw, &want) != nil || want == nil
		got, err := ports.DecodeMetadata(raw)
		if (err != nil) != wrong || !wrong && !maps.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", raw, got, err, want)
		}
	})
}

func BenchmarkDecodeMetadata(b *testing.B) {
	for name, raw := range map[string]string{"plain": `{"plan":"free"}`, "escaped": `{"plan":"fr\u0065e"}`} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := ports.DecodeMetadata([]byte(raw)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
