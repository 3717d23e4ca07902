package httpapi_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"patchbay/core/payment"
	"patchbay/ports"
)

// speller writes one request in the many ways in which it may be sent, and in some in which it may
// not.
type speller struct{ *rand.Rand }

func (s speller) one(of ...string) string { return of[s.IntN(len(of))] }

// maybe is true once in n times.
func (s speller) maybe(n int) bool { return s.IntN(n) == 0 }

// path spells a path. Most spellings are not served.
func (s speller) path(path, id string) string {
	at := s.IntN(len(path))
	switch s.IntN(16) {
	case 0:
		return path + "/"
	case 1: // a slash twice
		slash := 1 + strings.LastIndexByte(path[:at+1], '/')
		return path[:slash] + "/" + path[slash:]
	case 2:
		return path[:at] + strings.ToUpper(path[at:at+1]) + path[at+1:]
	case 3:
		return strings.Replace(path, "/api", s.one("/API", "/Api", "//api", "/./api", "/x/../api", "/api/.", "/%61pi"), 1)
	case 4: // any byte, encoded
		return path[:at] + s.percent(path[at]) + path[at+1:]
	case 5:
		return "http://localhost" + path
	case 6:
		return path + s.one("?", "?&", "?x=1", "#x", ";x", "%00", "%2F", "%20", "/.", "/..")
	case 7, 8, 9: // the id, encoded in part
		if id == "" {
			return path
		}
		var b strings.Builder
		for i := range len(id) {
			if s.maybe(3) {
				b.WriteString(s.percent(id[i]))
			} else {
				b.WriteByte(id[i])
			}
		}
		return strings.Replace(path, id, b.String(), 1)
	}
	return path
}

func (s speller) percent(c byte) string { return fmt.Sprintf(s.one("%%%02x", "%%%02X"), c) }

// key spells the header of an idempotency key. once reports whether the header has exactly one
// key, so that the request may be served.
func (s speller) key(key string) (header string, once bool) {
	name := s.one("Idempotency-Key", "idempotency-key", "IDEMPOTENCY-KEY", "iDEMPOTENCY-kEY")
	bare := key
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
	blank := func() string { return s.one("", " ", "  ", "\t", " \t ") }
	line := func(value string) string { return name + ":" + blank() + value + blank() + "\r\n" }
	switch s.IntN(20) {
	case 4: // in two lines
		return name + ":" + blank() + s.one("", bare[:7]) + "\r\n" + s.one(" ", "\t ") + bare[7:] + "\r\n", false
	case 3: // a name that is none
		return name + s.one(" ", "\t") + ":" + bare + "\r\n", false
	case 0:
		return line(quoted + s.one(";a=1", ";a", ", "+quoted, " x", `"`)), false
	case 1:
		return line(s.one("", `""`, `"`, quoted[:len(quoted)-1])), false
	case 2:
		return line(bare) + line(s.one(quoted, bare, "", "other")), false
	}
	return line(s.one(bare, quoted)), true
}

// body spells a JSON value.
func (s speller) body(value any) string {
	blank := func() string { return s.one("", "", "", " ", "\n", "\t", "\r\n", "  ") }
	var text string
	switch v := value.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		s.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		members := make([]string, len(names))
		for i, name := range names {
			members[i] = blank() + s.text(name) + blank() + ":" + s.body(v[name])
		}
		text = "{" + strings.Join(members, ",") + blank() + "}"
	case string:
		text = s.text(v)
	case int:
		text = s.number(v)
	case bool:
		text = strconv.FormatBool(v)
	}
	return blank() + text + blank()
}

// number spells a whole number, seldom in another form.
func (s speller) number(n int) string {
	if s.maybe(12) {
		return fmt.Sprintf(s.one("%d.0", "%de0", "%dE+0", "%d.00e-0", "0%d", "+%d"), n)
	}
	return strconv.Itoa(n)
}

func (s speller) text(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case s.maybe(4):
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, s.one(`\u%04x`, `\u%04X`), unit)
			}
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '/':
			b.WriteString(s.one("/", `\/`))
		case r == '\n':
			b.WriteString(`\n`)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

// framed returns a body with its headers, with a length or in chunks.
func (s speller) framed(body string) string {
	kind := s.one("Content-Type: application/json\r\n", "content-type:application/json\r\n", "Content-Type: Application/JSON; charset=utf-8\r\n")
	if s.maybe(2) {
		return kind + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	var b strings.Builder
	for rest := body; rest != ""; {
		n := 1 + s.IntN(len(rest))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	return kind + "Transfer-Encoding: chunked\r\n\r\n" + b.String() + "0\r\n\r\n"
}

// request spells a POST. once reports whether its key may be served.
func (s speller) request(path, id, key string, body any) (text string, once bool) {
	header, once := s.key(key)
	headers := []string{"Host: localhost\r\n", header, "Connection: close\r\n", "Accept: */*\r\n"}
	s.Shuffle(len(headers), func(i, j int) { headers[i], headers[j] = headers[j], headers[i] })
	return "POST " + s.path(path, id) + " HTTP/1.1\r\n" + strings.Join(headers, "") + s.framed(s.body(body)), once
}

// However a request is spelled: it is refused, or it is the request that was first made under its
// key.
func TestTwoSpellingsHaveOneEffect(t *testing.T) {
	t.Parallel()
	const spellings = 200
	key := `order "7" \ | a/b` // marks that are escaped in quotes, and in nothing else
	metadata := map[string]any{"café / \"bar\"": "naïve \\ 𝄞\n", "plan": "pro"}
	for _, row := range []struct {
		name      string
		operation string // on a payment; empty: its creation
		prepare   map[string]any
		body      map[string]any
		status    int
		count     func(payment.Payment) int // of what is to happen once
	}{
		{
			"a payment", "", nil,
			map[string]any{
				"amount": 1999, "currency": "usd", "paymentMethod": "pm_card_visa", "confirm": true, "metadata": metadata,
				"description": "two / three", "returnUrl": "https://shop.example/thanks",
			},
			201, func(p payment.Payment) int { return len(p.Operations) },
		},
		{
			"a refund of a part", "refunds",
			map[string]any{"confirm": true},
			map[string]any{"amount": 100},
			201, func(p payment.Payment) int { return int(p.AmountRefunded / 100) },
		},
		{
			"a capture", "capture",
			map[string]any{"confirm": true, "captureMethod": "manual"},
			map[string]any{"amount": 1500},
			200, func(p payment.Payment) int { return int(p.AmountCaptured / 1500) },
		},
		{
			"a confirmation", "confirm",
			map[string]any{"confirmation": "server"},
			map[string]any{"paymentMethod": "pm_card_visa"},
			200, func(p payment.Payment) int { return int(p.AmountCaptured / 2000) },
		},
		{
			"a cancellation", "cancel",
			map[string]any{"confirmation": "server"},
			map[string]any{},
			200, func(p payment.Payment) int { return strings.Count(fmt.Sprint(p.Status), string(payment.Canceled)) },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			s := speller{rand.New(rand.NewPCG(seed, 0))}
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			r, _ := shop(t)
			path, id := "/api/payments", ""
			if row.operation != "" {
				id = r.prepare(t, row.prepare)
				path += "/" + id + "/" + row.operation
			}
			answers := make(map[int]int)
			first := ""
			for range spellings {
				text, once := s.request(path, id, key, row.body)
				a := r.raw(t, text)
				answers[a.status]++
				switch {
				case a.status == row.status && once && (first == "" || a.body == first):
					first = a.body
				case a.status == 400 || a.status == 404:
				default:
					t.Fatalf("got %d %s, want the first answer %s or a refusal, for\n%s", a.status, a.body, first, text)
				}
			}
			if answers[row.status] < spellings/10 || answers[400] == 0 || answers[404] == 0 {
				t.Errorf("not tried enough: got %v, want at least %v with the expected status, some 400 and some 404", answers, spellings/10)
			}
			all := r.payments(t)
			if len(all) != 1 || row.count(all[0]) != 1 {
				t.Errorf("got %d payments, want 1 with one effect: %+v", len(all), all)
			}
		})
	}
}

// A request under a key is distinguished from another request under the same key, however each is
// spelled.
func TestTwoSpellingsHaveOneFingerprint(t *testing.T) {
	t.Parallel()
	const spellings = 200
	r := serve(t)
	seed := rand.Uint64()
	s := speller{rand.New(rand.NewPCG(seed, 0))}
	body := map[string]any{"email": "ada@example.com", "name": "Ada / 𝄞", "metadata": map[string]any{"ß": "1", "a": "\"\\\n"}}
	for range spellings {
		text, once := s.request("/api/users", "", "order-1234", body)
		before := len(r.users.all())
		a := r.raw(t, text)
		made := len(r.users.all()) > before
		if !(a.status == 201 && once && made || (a.status == 400 || a.status == 404) && !made) {
			t.Fatalf("seed %d: got %d %s, want 201 for a valid spelling, otherwise 400 or 404, for\n%s", seed, a.status, a.body, text)
		}
	}
	all := r.users.all()
	for _, c := range all {
		if c.op != "FindByKey" && (c.key != all[0].key || c.print != all[0].print || c.user.Name != "Ada / 𝄞") {
			t.Fatalf("seed %d: got %+v, want the key, fingerprint and name of %+v", seed, c, all[0])
		}
	}
	if len(all) < spellings/10 || all[0].key == "" {
		t.Errorf("seed %d: not tried enough: got %+v, want at least %v with a key", seed, all, spellings/10)
	}
}

// prepare creates a payment of 2000 cents, and returns its id.
func (r *rig) prepare(t *testing.T, with map[string]any) string {
	t.Helper()
	body := map[string]any{"amount": 2000, "currency": "usd", "paymentMethod": "pm_card_visa"}
	for name, value := range with {
		body[name] = value
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	a := r.do(t, "POST", "/api/payments", string(raw), asJSON)
	var p struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != 201 {
		t.Fatalf("got %d %s, %v, want 201", a.status, a.body, err)
	}
	return p.ID
}

// payments returns all payments that were created.
func (r *rig) payments(t *testing.T) []payment.Payment {
	t.Helper()
	list, err := r.journal.List(t.Context(), "default", "payment", ports.Filter{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]payment.Payment, len(list.Records))
	for i, record := range list.Records {
		if err := json.Unmarshal(record.Body, &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
