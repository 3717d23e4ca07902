package email_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
)

var everything = email.Features{Attachments: true, Inline: true, Headers: true, Tags: 1, Metadata: true, MultiReply: true}

// Each feature is needed by what uses it, and by nothing else.
func TestCarry(t *testing.T) {
	t.Parallel()
	inline := file("logo.png")
	inline.ContentID = "logo"
	tests := []struct {
		name  string
		uses  email.Message
		param string
		lacks func(*email.Features) // which of everything
	}{
		{"an attachment", email.Message{Attachments: []email.Attachment{file("a")}}, "attachments", func(f *email.Features) { f.Attachments = false }},
		{"an inline file", email.Message{Attachments: []email.Attachment{inline}}, "attachments", func(f *email.Features) { f.Inline = false }},
		{"an inline file beside an attachment", email.Message{Attachments: []email.Attachment{inline, file("a")}}, "attachments", func(f *email.Features) { f.Inline = false }},
		{"a header", email.Message{Headers: map[string]string{"X-A": "v"}}, "headers", func(f *email.Features) { f.Headers = false }},
		{"a tag", email.Message{Tags: []string{"a"}}, "tags", func(f *email.Features) { f.Tags = 0 }},
		{"metadata", email.Message{Metadata: map[string]string{"a": "v"}}, "metadata", func(f *email.Features) { f.Metadata = false }},
		{"two to reply to", email.Message{ReplyTo: list("r", 2)}, "replyTo", func(f *email.Features) { f.MultiReply = false }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			less := everything
			tt.lacks(&less)
			err := less.Carry(tt.uses)
			if f := fault.From(err); !fault.Is(err, fault.Unsupported) || f.Code != "feature_unsupported" || f.Param != tt.param {
				t.Errorf("without it: %v, want unsupported (feature_unsupported) at %s", err, tt.param)
			}
			if err := everything.Carry(tt.uses); err != nil {
				t.Errorf("with all features: %v", err)
			}
			for _, other := range tests {
				if other.name != tt.name && other.param != tt.param {
					if err := less.Carry(other.uses); err != nil {
						t.Errorf("what lacks only %q refuses %q: %v", tt.name, other.name, err)
					}
				}
			}
		})
	}
}

// Tags and metadata that a provider cannot keep are refused, and others are not.
func TestCarryOfLabels(t *testing.T) {
	t.Parallel()
	picky := email.Features{Tags: 2, Metadata: true, Labels: func(name, value string) bool { return name != "bad" && value != "bad" }}
	for _, tt := range []struct {
		name  string
		uses  email.Message
		param string
	}{
		{"good labels", email.Message{Tags: []string{"a"}, Metadata: map[string]string{"a": "b"}}, ""},
		{"a bad tag", email.Message{Tags: []string{"a", "bad"}}, "tags"},
		{"a bad name", email.Message{Metadata: map[string]string{"bad": "b"}}, "metadata"},
		{"a bad value", email.Message{Metadata: map[string]string{"a": "bad"}}, "metadata"},
	} {
		err := picky.Carry(tt.uses)
		if got := fault.From(err).Param; fault.Is(err, fault.Unsupported) != (tt.param != "") || got != tt.param {
			t.Errorf("%s: %v at %q, want unsupported at %q", tt.name, err, got, tt.param)
		}
	}
}

func TestEveryProviderCarriesAPlainMessage(t *testing.T) {
	t.Parallel()
	m := email.Message{ReplyTo: list("r", 1), Cc: list("c", 2), Bcc: list("b", 2), HTML: "<p>", Text: "t"}
	if err := (email.Features{}).Carry(m); err != nil {
		t.Error(err)
	}
	files := email.Message{Attachments: []email.Attachment{file("a")}}
	if err := (email.Features{Attachments: true}).Carry(files); err != nil {
		t.Errorf("a file that is not inline, where inline files are not carried: %v", err)
	}
}

// As much as a provider says it takes is carried, and no more; without a limit
// as much as a message may have.
func TestCarryWithinLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, param string
		limited     func(*email.Features)
		use         func(n int) email.Message
		limit       int
	}{
		{"bytes of files", "attachments", func(f *email.Features) { f.MaxAttachments = 1000 }, func(n int) email.Message {
			return email.Message{Attachments: []email.Attachment{{Content: make([]byte, n-1)}, {Content: make([]byte, 1)}}}
		}, 1000},
		{"recipients", "to", func(f *email.Features) { f.MaxRecipients = 3 }, func(n int) email.Message {
			return email.Message{To: list("t", n-2), Cc: list("c", 1), Bcc: list("b", 1)}
		}, 3},
		{"bytes of metadata", "metadata", func(f *email.Features) { f.MaxMetadata = 100 }, func(n int) email.Message {
			return email.Message{Metadata: map[string]string{"ab": strings.Repeat("v", n-3), "c": ""}}
		}, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			limited := everything
			tt.limited(&limited)
			if err := limited.Carry(tt.use(tt.limit)); err != nil {
				t.Errorf("as much as allowed: %v", err)
			}
			err := limited.Carry(tt.use(tt.limit + 1))
			if f := fault.From(err); !fault.Is(err, fault.Unsupported) || f.Param != tt.param {
				t.Errorf("one more than allowed: %v, want unsupported at %s", err, tt.param)
			}
			if err := everything.Carry(tt.use(tt.limit + 1)); err != nil {
				t.Errorf("without a limit: %v", err)
			}
		})
	}
}

func TestARefusalSaysWhichLimitIsExceeded(t *testing.T) {
	t.Parallel()
	handedOver := email.Message{Envelope: &email.Envelope{Apart: &email.Apart{Files: 8}}, Attachments: []email.Attachment{{Content: make([]byte, 9)}}}
	files := email.Message{Attachments: []email.Attachment{{Content: make([]byte, 9)}}}
	for name, tt := range map[string]struct {
		features email.Features
		m        email.Message
		want     string
	}{
		"files":                       {email.Features{Attachments: true, MaxAttachments: 5}, files, "attachments: a provider takes at most 5 bytes of files, and there are 9"},
		"no files":                    {email.Features{}, files, "attachments"},
		"a message handed over":       {email.Features{MIME: true, MaxMIME: 5}, handedOver, "attachments: a provider takes at most 5 bytes of a message, and there are 9"},
		"one that is taken apart":     {email.Features{Attachments: true, MaxAttachments: 5}, handedOver, "attachments: a provider takes at most 5 bytes of files, and there are 8"},
		"recipients":                  {email.Features{MaxRecipients: 2}, email.Message{To: list("t", 1), Cc: list("c", 1), Bcc: list("b", 1)}, "to: a provider takes at most 2 recipients, and there are 3"},
		"tags":                        {email.Features{Tags: 1}, email.Message{Tags: []string{"a", "b"}}, "tags: a provider takes at most 1 tags, and there are 2"},
		"no tags":                     {email.Features{}, email.Message{Tags: []string{"a"}}, "tags"},
		"metadata":                    {email.Features{Metadata: true, MaxMetadata: 3}, email.Message{Metadata: map[string]string{"ab": "cd"}}, "metadata: a provider takes at most 3 bytes of names and values, and there are 4"},
		"several to be replied to":    {email.Features{}, email.Message{ReplyTo: list("r", 2)}, "replyTo: a provider takes at most 1 addresses, and there are 2"},
		"a feature that has no limit": {email.Features{}, email.Message{Headers: map[string]string{"X-A": "b"}}, "headers"},
	} {
		if got, want := fault.From(tt.features.Carry(tt.m)).Message, "no provider can carry "+tt.want; got != want {
			t.Errorf("%s: message = %q, want %q", name, got, want)
		}
	}
}

func TestAttempted(t *testing.T) {
	t.Parallel()
	m := email.Message{Attempts: []email.Attempt{{ID: "att_1"}, {ID: "att_2"}}}
	for id, want := range map[string]bool{"att_1": true, "att_2": true, "att_3": false, "": false} {
		if got := m.HasAttempt(id); got != want {
			t.Errorf("HasAttempt(%q) = %v", id, got)
		}
	}
}

func TestAnAddressBeyondASCIIGoesOnlyWhereItIsCarried(t *testing.T) {
	t.Parallel()
	foreign := []email.Address{{Email: "jürgen@example.com"}}
	for _, tt := range []struct {
		name, param string
		message     email.Message
	}{
		{"a sender", "from", email.Message{From: foreign[0]}},
		{"a recipient", "to", email.Message{To: foreign}},
		{"a recipient of a copy", "cc", email.Message{Cc: foreign}},
		{"a hidden recipient", "bcc", email.Message{Bcc: foreign}},
		{"an address for replies", "replyTo", email.Message{ReplyTo: foreign}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := email.Features{}.Carry(tt.message)
			if f := fault.From(err); !fault.Is(err, fault.Unsupported) || f.Param != tt.param {
				t.Errorf("Carry = %v at %q, want unsupported at %q", err, f.Param, tt.param)
			}
			if err := (email.Features{UTF8: true, OnlyBcc: true}).Carry(tt.message); err != nil {
				t.Errorf("Carry of a provider that can = %v", err)
			}
		})
	}
	domain := email.Message{To: []email.Address{{Email: "juergen@bücher.example"}}}
	if err := (email.Features{}).Carry(domain); err != nil {
		t.Errorf("Carry of a domain that has a form in ASCII = %v", err)
	}
}

func TestTheDateOfAMessage(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	if got := (email.Message{CreatedAt: at}).Date(); !got.Equal(at) {
		t.Errorf("Date = %s, want when it was accepted, %s", got, at)
	}
	due := at.Add(time.Hour)
	if got := (email.Message{CreatedAt: at, SendAt: due}).Date(); !got.Equal(due) {
		t.Errorf("Date of a message that is due later = %s, want %s", got, due)
	}
	if got := (email.Message{CreatedAt: at, SendAt: at.Add(-time.Hour)}).Date(); !got.Equal(at) {
		t.Errorf("Date of a message that was due before it was accepted = %s, want %s", got, at)
	}
}
