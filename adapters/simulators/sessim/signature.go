package sessim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	service   = "ses"
	algorithm = "AWS4-HMAC-SHA256"
	timeForm  = "20060102T150405Z"
	// skew is how far the time of a signature may be from the clock.
	skew = 5 * time.Minute
)

// signature is what the headers of a request say of its signature.
type signature struct {
	keyID, date, region, service string // of the credential
	headers                      []string
	value                        string // in hexadecimal
	at                           time.Time
}

// signatureOf reads the signature of a request (Signature Version 4):
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func signatureOf(r *http.Request) (s signature, bad *wrong) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), algorithm+" ")
	if !ok {
		return s, &wrong{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	at, err := time.Parse(timeForm, r.Header.Get("X-Amz-Date"))
	if len(scope) != 5 || scope[4] != "aws4_request" || err != nil || fields["SignedHeaders"] == "" || len(fields["Signature"]) != 64 {
		return s, &wrong{http.StatusForbidden, "IncompleteSignatureException", "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters, and a 'X-Amz-Date' header."}
	}
	return signature{
		keyID: scope[0], date: scope[1], region: scope[2], service: scope[3],
		headers: strings.Split(fields["SignedHeaders"], ";"), value: fields["Signature"], at: at,
	}, nil
}

// check checks the signature of a request, and its age.
func (s signature) check(r *http.Request, body []byte, secret string, now time.Time) *wrong {
	if age := now.Sub(s.at); age > skew || age < -skew {
		return expired(s.at, now)
	}
	if missing := s.unsigned(r); missing != "" {
		return mismatch("'" + missing + "' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if s.date != s.at.Format("20060102") {
		return mismatch("Credential should be scoped to correct date.")
	}
	want := hex.EncodeToString(s.sign(secret, s.canonical(r, body)))
	if !hmac.Equal([]byte(want), []byte(s.value)) {
		return mismatch("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return nil
}

func mismatch(message string) *wrong {
	return &wrong{http.StatusForbidden, "InvalidSignatureException", message}
}

func expired(at, now time.Time) *wrong {
	verb := "Signature expired: %s is now earlier than %s (%s - 5 min.)"
	limit := now.Add(-skew)
	if at.After(now) {
		verb, limit = "Signature not yet current: %s is still later than %s (%s + 5 min.)", now.Add(skew)
	}
	return mismatch(fmt.Sprintf(verb, at.Format(timeForm), limit.UTC().Format(timeForm), now.UTC().Format(timeForm)))
}

// unsigned returns a header that must be signed and is not, or "".
func (s signature) unsigned(r *http.Request) string {
	if !slices.Contains(s.headers, "host") {
		return "Host"
	}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.headers, lower) {
			return name
		}
	}
	return ""
}

// canonical returns the canonical form of a request.
func (s signature) canonical(r *http.Request, body []byte) string {
	var b strings.Builder
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, one := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(one), "+", "%20") // escaped a second time
	}
	query := r.URL.Query()
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, strings.Join(segments, "/"), strings.ReplaceAll(query.Encode(), "+", "%20"))
	for _, name := range s.headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&b, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	fmt.Fprintf(&b, "\n%s\n%x", strings.Join(s.headers, ";"), sha256.Sum256(body))
	return b.String()
}

func (s signature) sign(secret, canonical string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = sum(key, part)
	}
	scope := strings.Join([]string{s.date, s.region, s.service, "aws4_request"}, "/")
	return sum(key, fmt.Sprintf("%s\n%s\n%s\n%x", algorithm, s.at.Format(timeForm), scope, sha256.Sum256([]byte(canonical))))
}

func sum(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
