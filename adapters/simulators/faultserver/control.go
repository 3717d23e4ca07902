package faultserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxTimes is for how many requests one may ask at once.
const maxTimes = 1000

// Named are faults by the name by which they are asked for.
type Named map[string]Fault

// ByName is a provider with faults that people may ask for.
type ByName interface {
	FaultsByName() Named
}

// With returns these faults and further ones.
func (n Named) With(further Named) Named {
	all := maps.Clone(n)
	maps.Copy(all, further)
	return all
}

// Connection are the faults of a connection, which any server may have.
func Connection() Named {
	return Named{
		"timeout_before":       {Mishap: Close()},
		"timeout_after_commit": {Mishap: Close(), After: true},
		"reset":                {Mishap: Reset(), After: true},
		"malformed":            {Mishap: Garbled(), After: true},
		"hang":                 {Mishap: Hang(), After: true},
	}
}

// Control serves the faults to those who ask for them by name: POST injects one for the next requests, GET lists
// what waits, and DELETE removes all. The requests that they befall are those by POST: at a provider, these make
// or change something.
type Control struct {
	Faults *Faults
	Named  Named
}

// ServeHTTP implements http.Handler.
func (c Control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		c.Faults.Heal()
	case http.MethodPost:
		faults, err := c.asked(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.Faults.Inject(faults...)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		http.Error(w, "ask by POST, list by GET, remove by DELETE", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"faults": c.names(), "waiting": c.waiting()}) // the client may have gone
}

func (c Control) names() []string { return slices.Sorted(maps.Keys(c.Named)) }

// asked returns the faults that a form asks for: fault, the name, and times, 1 by default.
func (c Control) asked(r *http.Request) ([]Fault, error) {
	name := r.PostFormValue("fault")
	one, known := c.Named[name]
	if !known {
		return nil, fmt.Errorf("fault %q: it must be one of %s", name, strings.Join(c.names(), ", "))
	}
	times := 1
	if text := r.PostFormValue("times"); text != "" {
		var err error
		if times, err = strconv.Atoi(text); err != nil || times < 1 || times > maxTimes {
			return nil, fmt.Errorf("times %q: it must be a number from 1 to %d", text, maxTimes)
		}
	}
	one.Name, one.Match = name, func(r *http.Request, _ []byte) bool { return r.Method == http.MethodPost }
	return slices.Repeat([]Fault{one}, times), nil
}

// waits is a fault that waits for so many requests.
type waits struct {
	Fault string `json:"fault"`
	Times int    `json:"times"`
}

// waiting returns what waits, in its order.
func (c Control) waiting() []waits {
	all := []waits{}
	for _, f := range c.Faults.Waiting() {
		if n := len(all); n == 0 || all[n-1].Fault != f.Name {
			all = append(all, waits{Fault: f.Name})
		}
		all[len(all)-1].Times++
	}
	return all
}
