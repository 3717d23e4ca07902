package mimeread

import (
	"errors"
	"io"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message"

	"patchbay/core/email"
)

// words decodes encoded words in any charset.
var words = &mime.WordDecoder{CharsetReader: message.CharsetReader}

// maxDepth is how deep the parts of a message may be in each other. The forms that are read have three.
const maxDepth = 4

// readTop reads the body of a message: multipart/mixed with a text and files, or a text alone.
func (r *reading) readTop(e *message.Entity) {
	kind := r.kind(e)
	if kind != "multipart/mixed" {
		r.readText(e, kind, 1)
		return
	}
	first := true
	r.each(e, func(part *message.Entity) {
		kind := r.kind(part)
		if first && (strings.HasPrefix(kind, "multipart/") || isText(part, kind)) {
			r.readText(part, kind, 2)
		} else {
			r.readFile(part, kind, false)
		}
		first = false
	})
}

// readText reads what is shown: plain text, HTML, both as multipart/alternative, or multipart/related
// with pictures.
func (r *reading) readText(e *message.Entity, kind string, depth int) {
	if depth > maxDepth {
		r.lose("a part that is too deep in others")
		return
	}
	switch {
	case kind == "multipart/alternative":
		r.each(e, func(part *message.Entity) { r.readText(part, r.kind(part), depth+1) })
	case kind == "multipart/related":
		first := true
		r.each(e, func(part *message.Entity) {
			kind := r.kind(part)
			if first {
				r.readText(part, kind, depth+1)
			} else {
				r.readFile(part, kind, true)
			}
			first = false
		})
	case isText(e, kind) && kind == "text/plain" && r.Text == "" && r.HTML == "":
		r.Text = r.text(e)
	case isText(e, kind) && kind == "text/html" && r.HTML == "":
		r.HTML = r.text(e)
	default:
		r.lose("a text that is neither plain nor HTML, or one beside these: " + kind)
	}
}

// isText reports whether a part is shown, and not a file.
func isText(e *message.Entity, kind string) bool {
	disposition, params, _ := e.Header.ContentDisposition()
	return (kind == "text/plain" || kind == "text/html") && !strings.EqualFold(disposition, "attachment") && params["filename"] == ""
}

// readFile reads an attachment, or a picture that the HTML shows by its Content-ID.
func (r *reading) readFile(e *message.Entity, kind string, shown bool) {
	disposition, params, _ := e.Header.ContentDisposition()
	_, typed, _ := e.Header.ContentType()
	a := email.Attachment{
		Filename:  r.decoded(firstOf(params["filename"], typed["name"])),
		ContentID: strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(e.Header.Get("Content-Id")), "<"), ">"),
	}
	inline := shown || strings.EqualFold(disposition, "inline") && a.ContentID != ""
	switch {
	case strings.HasPrefix(kind, "multipart/"), strings.HasPrefix(kind, "message/"):
		r.lose("a part of the type " + kind)
		return
	case kind == "application/pkcs7-mime", kind == "application/x-pkcs7-mime":
		r.lose("a signature or an encryption")
		return
	case a.Filename == "":
		r.lose("a file without a name")
		return
	case inline && a.ContentID == "", !inline && a.ContentID != "":
		r.lose("a picture that the text may show, without its Content-ID or its place")
		return
	}
	if charset := strings.ToLower(typed["charset"]); strings.HasPrefix(kind, "text/") && charset != "" && charset != "utf-8" && charset != "us-ascii" {
		r.lose("a file in the charset " + charset) // the library has converted it
		return
	}
	delete(typed, "name")
	a.ContentType = mime.FormatMediaType(kind, typed)
	a.Content = r.all(e)
	r.Attachments = append(r.Attachments, a)
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// partFields are the fields of a part that are read, or say nothing more than others.
var partFields = []string{"content-type", "content-transfer-encoding", "content-disposition", "content-id", "mime-version"}

// kind returns the type of a part in lower case, and notes its boundary, and what else its header says.
func (r *reading) kind(e *message.Entity) string {
	kind, params, err := e.Header.ContentType()
	if err != nil {
		r.lose("a content type that cannot be read")
	}
	if boundary := params["boundary"]; boundary != "" {
		r.boundaries = append(r.boundaries, boundary)
	}
	for f := e.Header.Fields(); f.Next(); {
		name := strings.ToLower(f.Key())
		if strings.HasPrefix(name, "content-") && !slices.Contains(partFields, name) {
			r.lose("the header " + name + " of a part")
		}
	}
	return strings.ToLower(kind)
}

// each calls read for each part of a multipart body.
func (r *reading) each(e *message.Entity, read func(*message.Entity)) {
	parts := e.MultipartReader()
	if parts == nil {
		r.lose("a part that cannot be read")
		return
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.lose("a part that cannot be read")
			return
		}
		read(part)
	}
}

// text returns the text of a part, in UTF-8.
func (r *reading) text(e *message.Entity) string {
	_, params, _ := e.Header.ContentType()
	for name := range params {
		if name != "charset" {
			r.lose("the parameter " + name + " of a text")
		}
	}
	text := string(r.all(e))
	if !utf8.ValidString(text) {
		r.lose("a text that is not in the charset it names")
	}
	return text
}

// all returns the decoded content of a part.
func (r *reading) all(e *message.Entity) []byte {
	content, err := io.ReadAll(e.Body)
	if err != nil {
		r.lose("a part that cannot be decoded")
	}
	return content
}
