package httpclient

import (
	"encoding/json"
	"io"
	"mime"
	"strings"
	"sync"
)

// maxRefusal is how much of a refusal is kept.
const maxRefusal = 64 << 10

// refusal is the body of an answer that is no success. What is read of it is kept,
// up to maxRefusal.
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

// Refusal is what was read of an answer that is no success, at most its first
// 64 kB. Empty where there is none.
func (x *Exchange) Refusal() string {
	if r := x.refusal.Load(); r != nil {
		return string(r.kept())
	}
	return ""
}

// DecodeRefusal reads an answer that is no success into v. It reports false where
// that is not JSON by its type and by its content: what stands between answers in
// words of its own.
func (x *Exchange) DecodeRefusal(v any) bool {
	r := x.refusal.Load()
	return r != nil && isJSON(x.Header("Content-Type")) && json.Unmarshal(r.kept(), v) == nil
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"))
}
