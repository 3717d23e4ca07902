package usertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/core/user"
	"patchbay/tests/contract/internal/fixture"
)

func usersEndByBytes(t *testing.T, h Harness) {
	metadata := map[string]string{}
	for i := range user.MaxMetadata {
		metadata[fmt.Sprint("k", i)] = strings.Repeat("\U0001F389", user.MaxMetadataValue)
	}
	var want []string
	for i := range 12 { // of 100 kB each
		u := fixture.NewUser(t, fmt.Sprint(i), fmt.Sprintf("u%d@example.com", i))
		u.Metadata, u.CreatedAt = metadata, fixture.Day.Add(time.Duration(i)*time.Second)
		want = append(want, fixture.CreateUser(t, h.Users, u).ID)
	}
	slices.Reverse(want)
	var seen []string
	pages := 0
	for cursor := ""; ; pages++ {
		page, err := h.Users.List(t.Context(), fixture.Tenant, cursor, 100)
		if err != nil || len(page.Users) == 0 || len(page.Users) > 11 {
			t.Fatalf("page %d: %d users, %v, want some users, at most 11 users", pages, len(page.Users), err)
		}
		for _, u := range page.Users {
			seen = append(seen, u.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if !slices.Equal(seen, want) || pages == 0 {
		t.Errorf("%v on %d pages, want %v", seen, pages+1, want)
	}
}
