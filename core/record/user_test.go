package record_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/record"
)

func TestAUserAsCreatedIsOfItsName(t *testing.T) {
	t.Parallel()
	if u, err := record.DecodeUser([]byte(`{"id":"usr_1","email":"a@example.com"}`), "usr_1"); err != nil || u.Email == "" {
		t.Errorf("%+v, %v", u, err)
	}
	for _, raw := range []string{`null`, `{}`, `{"id":"usr_2"}`, `{"id":"usr_1","version":"1"}`} {
		if u, err := record.DecodeUser([]byte(raw), "usr_1"); fault.From(err).Code != record.CodeUndecodable || u.ID != "" {
			t.Errorf("%s: %+v, %v", raw, u, err)
		}
	}
}

// A key of metadata is the caller's, whatever it is called.
func TestMetadataHasNoVersion(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`{"recordVersion":"2"}`, `{ "recordVersion": "two" }`} {
		if got, err := record.DecodeMetadata([]byte(raw)); err != nil || got["recordVersion"] == "" {
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
		got, err := record.DecodeMetadata(raw)
		if (err != nil) != wrong || !wrong && !maps.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", raw, got, err, want)
		}
	})
}

func BenchmarkDecodeMetadata(b *testing.B) {
	for name, raw := range map[string]string{"plain": `{"plan":"free"}`, "escaped": `{"plan":"fr\u0065e"}`} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := record.DecodeMetadata([]byte(raw)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestTermsAreAnArrayOfTexts(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{``: `[]`, `[]`: `[]`, `["a","b c"]`: `["a" "b c"]`} {
		if got, err := record.DecodeTerms([]byte(raw)); err != nil || fmt.Sprintf("%q", got) != want {
			t.Errorf("%s: got %q, %v; want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{`{}`, `"a"`, `[1]`, `[`} {
		if _, err := record.DecodeTerms([]byte(raw)); fault.From(err).Code != record.CodeUndecodable {
			t.Errorf("%s: got %v, want code %s", raw, err, record.CodeUndecodable)
		}
	}
}
