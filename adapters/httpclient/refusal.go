package httpclient

import (
	"encoding/json"
	"io"
	"mime"
	"strings"
	"sync"
)

// maxRefusal is how many bytes of a refusal are kept.
const maxRefusal = 64 << 10

// refusal is the body of a response that is not a success. It keeps what is read of it, up
// to maxRefusal.
type refusal struct {
	io.ReadCloser
	mu   sync.Mutex
	read []byte
}

// Read implements io.Reader.
func (r *refusal) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = append(r.read, p[:min(n, maxRefusal-len(r.read))]...)
	return n, err
}

func (r *refusal) kept() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]byte(nil), r.read...)
}

// Refusal returns what was read of a response that is not a success, at most its first 64
// kB, or "" if there is none.
func (x *Exchange) Refusal() string {
	if r := x.refusal.Load(); r != nil {
		return string(r.kept())
	}
	return ""
}

// DecodeRefusal decodes a response that is not a success into v. It returns false if the
// response is not JSON by its type and content: an intermediary sends text of its own.
func (x *Exchange) DecodeRefusal(v any) bool {
	r := x.refusal.Load()
	return r != nil && isJSON(x.Header("Content-Type")) && json.Unmarshal(r.kept(), v) == nil
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"))
}
