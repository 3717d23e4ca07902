package chaos_test

import (
	"math"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

// person is a user as an answer shows it. by is the idempotency key under which it was created: it
// tells apart users that had the same address one after another.
type person struct {
	by      string
	name    string
	version int64
}

// request is one operation on the user of an email address.
type request struct {
	do      action
	by      string // the key of the user; empty for find
	name    string // to create with, or to change to
	version int64  // If-Match; 0 for any
}

type action string

const (
	create action = "create"
	read   action = "read" // by id
	find   action = "find" // by email
	change action = "change"
	remove action = "remove"
)

// reply is the answer to a request.
type reply struct {
	outcome string // empty if it is not known whether the request had an effect
	seen    person
}

// The outcomes of a reply.
const (
	done    = "done"
	taken   = "email_taken"
	deleted = "user_deleted"
	absent  = "not_found"
	stale   = "version_mismatch"
)

// email is the state of one address: its user, if any, and the keys under which its users were
// created.
type email struct {
	person
	keys string
}

// after returns the reply of a gateway that executes one request at a time, and the next state.
func (e email) after(q request) (reply, email) {
	there := e.by != "" && e.by == q.by
	switch {
	case q.do == create:
		return e.created(q)
	case q.do == find && e.by == "", q.do != find && !there:
		return reply{outcome: absent}, e
	case q.do == read, q.do == find:
		return reply{done, e.person}, e
	case q.version != 0 && q.version != e.version:
		return reply{outcome: stale}, e
	case q.do == change:
		e.name, e.version = q.name, e.version+1
		return reply{done, e.person}, e
	default: // remove
		e.person = person{}
		return reply{outcome: done}, e
	}
}

func (e email) created(q request) (reply, email) {
	fresh := person{q.by, q.name, 1}
	switch repeated := strings.Contains(e.keys, q.by+" "); {
	case repeated && e.by == q.by:
		return reply{done, fresh}, e // as it was created, whatever it is now
	case repeated:
		return reply{outcome: deleted}, e
	case e.by != "":
		return reply{outcome: taken}, e
	}
	return reply{done, fresh}, email{fresh, e.keys + q.by + " "}
}

// users is the model of the history of one address. An operation whose reply is not known took
// effect at some time after the request, or never: then it takes effect after all others.
var users = porcupine.Model{
	Init: func() any { return email{} },
	Step: func(state, input, output any) (bool, any) {
		want, next := state.(email).after(input.(request))
		got := output.(reply)
		return got.outcome == "" || got == want, next
	},
}

// never is the return time of an operation whose outcome is not known.
const never = math.MaxInt64

// TestHistories checks that the model accepts correct histories and rejects wrong ones.
func TestHistories(t *testing.T) {
	t.Parallel()
	ada := func(version int64, name string) reply { return reply{done, person{"ada", name, version}} }
	made := porcupine.Operation{Input: request{do: create, by: "ada", name: "a"}, Output: ada(1, "a"), Call: 0, Return: 1}
	byID := request{do: read, by: "ada"}
	rename := func(name string, version int64) request {
		return request{do: change, by: "ada", name: name, version: version}
	}
	for name, c := range map[string]struct {
		want porcupine.CheckResult
		then []porcupine.Operation
	}{
		"a change is read": {porcupine.Ok, []porcupine.Operation{
			{Input: rename("b", 1), Output: ada(2, "b"), Call: 2, Return: 3}, {Input: byID, Output: ada(2, "b"), Call: 4, Return: 5},
		}},
		"a stale read": {porcupine.Illegal, []porcupine.Operation{
			{Input: rename("b", 1), Output: ada(2, "b"), Call: 2, Return: 3}, {Input: byID, Output: ada(1, "a"), Call: 4, Return: 5},
		}},
		"a read beside a change sees it or not": {porcupine.Ok, []porcupine.Operation{
			{Input: rename("b", 0), Output: ada(2, "b"), Call: 2, Return: 9}, {Input: byID, Output: ada(1, "a"), Call: 3, Return: 4},
		}},
		"a change is lost": {porcupine.Illegal, []porcupine.Operation{
			{Input: rename("b", 0), Output: ada(2, "b"), Call: 2, Return: 9}, {Input: rename("c", 0), Output: ada(2, "c"), Call: 3, Return: 8},
		}},
		"two changes of one version": {porcupine.Illegal, []porcupine.Operation{
			{Input: rename("b", 1), Output: ada(2, "b"), Call: 2, Return: 9}, {Input: rename("c", 1), Output: ada(3, "c"), Call: 3, Return: 8},
		}},
		"a change in doubt is never made": {porcupine.Ok, []porcupine.Operation{
			{Input: rename("b", 0), Output: reply{}, Call: 2, Return: never}, {Input: byID, Output: ada(1, "a"), Call: 8, Return: 9},
		}},
		"a change in doubt is made later": {porcupine.Ok, []porcupine.Operation{
			{Input: rename("b", 0), Output: reply{}, Call: 2, Return: never},
			{Input: byID, Output: ada(1, "a"), Call: 8, Return: 9},
			{Input: byID, Output: ada(2, "b"), Call: 10, Return: 11},
		}},
		"a change in doubt is made and undone": {porcupine.Illegal, []porcupine.Operation{
			{Input: rename("b", 0), Output: reply{}, Call: 2, Return: never},
			{Input: byID, Output: ada(2, "b"), Call: 8, Return: 9},
			{Input: byID, Output: ada(1, "a"), Call: 10, Return: 11},
		}},
		"a change in doubt is made twice": {porcupine.Illegal, []porcupine.Operation{
			{Input: rename("b", 0), Output: reply{}, Call: 2, Return: never}, {Input: byID, Output: ada(3, "b"), Call: 8, Return: 9},
		}},
		"one email for two": {porcupine.Illegal, []porcupine.Operation{
			{Input: request{do: create, by: "eve", name: "e"}, Output: reply{done, person{"eve", "e", 1}}, Call: 2, Return: 3},
		}},
		"a repeat of a key": {porcupine.Ok, []porcupine.Operation{
			{Input: rename("b", 0), Output: ada(2, "b"), Call: 2, Return: 3}, {Input: made.Input, Output: ada(1, "a"), Call: 4, Return: 5},
		}},
		"a key brings back who was deleted": {porcupine.Illegal, []porcupine.Operation{
			{Input: request{do: remove, by: "ada"}, Output: reply{outcome: done}, Call: 2, Return: 3}, {Input: made.Input, Output: ada(1, "a"), Call: 4, Return: 5},
		}},
		"an email that is free again": {porcupine.Ok, []porcupine.Operation{
			{Input: request{do: remove, by: "ada", version: 1}, Output: reply{outcome: done}, Call: 2, Return: 3},
			{Input: request{do: create, by: "eve", name: "e"}, Output: reply{done, person{"eve", "e", 1}}, Call: 4, Return: 5},
			{Input: byID, Output: reply{outcome: absent}, Call: 6, Return: 7},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := porcupine.CheckOperationsTimeout(users, append([]porcupine.Operation{made}, c.then...), checkLimit); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
