package record_test

import (
	"testing"

	"patchbay/core/fault"
	"patchbay/core/record"
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
			got, err := record.Decode(r, func(v thing) bool { return v.ID == r.ID })
			if !fault.Is(err, fault.Internal) || fault.From(err).Code != record.CodeUndecodable || got.ID != "" || got.Tags != nil {
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
			got, err := record.Decode(ports.Record{Kind: "thing", ID: "a", Body: []byte(body)}, func(v thing) bool { return v.ID == "a" })
			if err != nil || got.ID != "a" || len(got.Tags) != 1 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// What has no name of its own is an object all the same: null would be a default.
func TestWhatHasNoNameIsAnObject(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`null`, ` null`, `[]`, `"a"`, ``} {
		metadata := map[string]string{"kept": "as it was"}
		err := record.DecodeJSON("metadata", []byte(raw), &metadata)
		_, rerr := record.Decode(ports.Record{Kind: "thing", Body: []byte(raw)}, func(map[string]string) bool { return true })
		if fault.From(err).Code != record.CodeUndecodable || fault.From(rerr).Code != record.CodeUndecodable || metadata["kept"] == "" {
			t.Errorf("%q: %v, %v, %v", raw, metadata, err, rerr)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`null`, `{"id":"a"}`, `{"recordVersion":2}`, `{}`, ` {`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		v, err := record.Decode(ports.Record{Kind: "thing", ID: "a", Body: []byte(body)}, func(v thing) bool { return v.ID == "a" })
		if (err == nil) != (v.ID == "a") {
			t.Errorf("%q: %+v, %v", body, v, err)
		}
	})
}
