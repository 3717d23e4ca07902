package httpapi_test

import (
	"net/url"
	"strings"
	"testing"
)

func TestIfMatch(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		name, header string
		version      int64
		ok           bool
	}{
		{"none", ``, 0, true},
		{"any", `*`, 0, true},
		{"a version", `"v3"`, 3, true},
		{"a large version", `"v9223372036854775807"`, 9223372036854775807, true},
		{"beyond 64 bits", `"v9223372036854775808"`, 0, false},
		{"zero, which means any inside", `"v0"`, 0, false},
		{"below zero", `"v-1"`, 0, false},
		{"with a sign", `"v+1"`, 0, false},
		{"with a zero in front", `"v01"`, 0, false},
		{"with letters of ours around it", `"vv1v"`, 0, false},
		{"without quotes", `v1`, 0, false},
		{"half in quotes", `"v1`, 0, false},
		{"a quotation mark and no more", `"`, 0, false},
		{"without the letter", `"1"`, 0, false},
		{"a weak tag, which never matches", `W/"v1"`, 0, false},
		{"another's tag", `"686897696a7c876b7e"`, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := header{"If-Match": row.header}
			if row.header == "" {
				h = nil
			}
			before := len(r.users.all())
			patch := r.do(t, "PATCH", "/api/users/usr_1", `{"name":"Ada"}`, asJSON, h)
			remove := r.do(t, "DELETE", "/api/users/usr_1", "", h)
			calls := r.users.all()[before:]
			if !row.ok {
				patch.refused(t, 412, "version_mismatch", "")
				remove.refused(t, 412, "version_mismatch", "")
				if len(calls) != 0 {
					t.Errorf("repository calls = %+v, want none", calls)
				}
				return
			}
			if patch.status != 200 || remove.status != 204 || patch.header.Get("ETag") != `"v7"` {
				t.Fatalf("got %d %s, %d %s, want 200, 204, ETag \"v7\"", patch.status, patch.body, remove.status, remove.body)
			}
			if len(calls) != 2 || calls[0].version != row.version || calls[1].version != row.version {
				t.Errorf("got %+v, want 2 calls, version %v", calls, row.version)
			}
		})
	}
}

// A page that a caller did not ask for would hide what comes after it.
func TestLimitAndCursor(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		query string
		limit int // 0 where it is refused
	}{
		{"", 20},
		{"limit=", 0},
		{"limit=1", 1},
		{"limit=100", 100},
		{"limit=0", 0},
		{"limit=101", 0},
		{"limit=-1", 0},
		{"limit=1.5", 0},
		{"limit=1e1", 0},
		{"limit=x", 0},
		{"limit=%00", 0},
		{"limit=99999999999999999999", 0},
	} {
		t.Run("?"+row.query, func(t *testing.T) {
			a := r.do(t, "GET", "/api/users?"+row.query, "")
			if row.limit == 0 {
				a.refused(t, 400, "invalid_limit", "limit")
				r.do(t, "GET", "/api/events?"+row.query, "").refused(t, 400, "invalid_limit", "limit")
				return
			}
			if got := r.users.last(t); a.status != 200 || got.op != "List" || got.limit != row.limit || got.cursor != "" {
				t.Errorf("%d %s: got %+v, want 200, op List, limit %v, no cursor", a.status, a.body, got, row.limit)
			}
		})
	}
	for _, cursor := range []string{"abc", "a b&c=d", "ä/+%", strings.Repeat("x", 4000)} {
		a := r.do(t, "GET", "/api/users?limit=5&cursor="+url.QueryEscape(cursor), "")
		if got := r.users.last(t); a.status != 200 || got.cursor != cursor || got.limit != 5 {
			t.Errorf("%q: got %d %+v, want 200, limit 5", cursor, a.status, got)
		}
	}
	for _, cursor := range []string{"-1", "not a number", "zzzzzzzzzzzzzzzzzz"} {
		r.do(t, "GET", "/api/events?cursor="+url.QueryEscape(cursor), "").refused(t, 400, "invalid_cursor", "cursor")
	}
}
