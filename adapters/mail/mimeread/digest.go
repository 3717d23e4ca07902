package mimeread

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"patchbay/adapters/mail/rfc5322"
)

// anew are the fields that a program writes anew when it composes a message again.
var anew = []string{"Message-ID", "Date"}

// trace are the fields that servers add on the way here.
var trace = []string{"Received", "Return-Path"}

// digest returns a digest of the message without its trace, and without the boundaries of its parts: a
// program that sends the same message twice may draw them anew, as Python's smtplib does. If the message
// has an idempotency key, the digest also leaves out the fields that are written anew.
func (r *reading) digest(fields []rfc5322.Field, body []byte) string {
	out := trace
	if r.IdempotencyKey != "" {
		out = slices.Concat(trace, anew)
	}
	h := sha256.New()
	same := r.numbered()
	for _, f := range fields {
		if !slices.ContainsFunc(out, f.Is) {
			_, _ = same.WriteString(h, string(f.Raw)) // a hash never fails
		}
	}
	_, _ = same.WriteString(h, "\r\n"+string(body))
	return hex.EncodeToString(h.Sum(nil))
}

// numbered replaces each boundary, where it is one, by its number.
func (r *reading) numbered() *strings.Replacer {
	byLength := slices.Clone(r.boundaries)
	slices.SortStableFunc(byLength, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may begin another
	var pairs []string
	for _, boundary := range byLength {
		number := fmt.Sprint("#", slices.Index(r.boundaries, boundary))
		for _, before := range []string{"boundary=\"", "boundary=", "\r\n--"} {
			pairs = append(pairs, before+boundary, before+number)
		}
	}
	return strings.NewReplacer(pairs...)
}
