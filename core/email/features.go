package email

import "patchbay/core/fault"

// Carry returns Unsupported, with the feature as Param, if the message uses a feature that the
// provider lacks or exceeds one of its limits.
func (f Features) Carry(m Message) error {
	lacks := ""
	switch {
	case len(m.Attachments) > 0 && !f.Attachments, above(f.MaxAttachments, m.attached()):
		lacks = "attachments"
	case len(m.Headers) > 0 && !f.Headers:
		lacks = "headers"
	case len(m.Tags) > f.Tags:
		lacks = "tags"
	case len(m.Metadata) > 0 && !f.Metadata, above(f.MaxMetadata, m.noted()):
		lacks = "metadata"
	case len(m.ReplyTo) > 1 && !f.MultiReply:
		lacks = "replyTo"
	}
	if !f.Inline {
		for _, a := range m.Attachments {
			if a.ContentID != "" {
				lacks = "attachments"
			}
		}
	}
	if lacks == "" {
		return nil
	}
	return &fault.Error{
		Kind: fault.Unsupported, Code: "feature_unsupported", Param: lacks, Message: "no provider can carry " + lacks,
	}
}

func above(limit, n int) bool { return limit > 0 && n > limit }

func (m Message) attached() (n int) {
	for _, a := range m.Attachments {
		n += max(a.Size, len(a.Content))
	}
	return n
}

func (m Message) noted() (n int) {
	for k, v := range m.Metadata {
		n += len(k) + len(v)
	}
	return n
}
