package logging_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/logging"
)

const (
	secret = "hunter2-hunter2"
	spaced = `with "quotes" and spaces/`
)

// Whatever is logged: no address, no secret and no body gets into a line, under any attribute and
// in any text.
func TestNoLineHasAnAddressOrASecret(t *testing.T) {
	t.Parallel()
	private := map[string]string{
		"an address":                    "ada@example.com",
		"a quoted address":              `"ada lovelace"@example.com`,
		"an address in a URL":           "ada%40example.com",
		"an address of another script":  "ädä@bücher.example",
		"a configured secret":           secret,
		"an address in a URL in a URL":  "ada%2540example.com",
		"an address in JSON":            `ada\u0040example.com`,
		"an address in HTML":            "ada&#64;example.com",
		"a secret in a URL":             "/?s=" + url.QueryEscape(spaced),
		"a secret in a path":            "/" + url.PathEscape(spaced) + "/x",
		"a secret in quotes":            fmt.Sprintf("%q", spaced),
		"a token in a URL":              "https://x.example/y?access_token=abcdefghij&b=c",
		"a password in a URL":           "https://x.example/y?b=c&password=abcdefghij",
		"a bearer after a tab":          "Bearer\tabcdefghij",
		"a key of Mailgun's":            "key-0123456789xyzabcdefghij",
		"a key of ours":                 "pb_live_0190_00112233445566778899",
		"a key of Stripe's":             "sk_live_51HxAbCdEf",
		"a key of Stripe's for tests":   "SK_TEST_51HxAbCdEf",
		"a restricted key":              "rk_live_51HxAbCdEf",
		"a restricted key for tests":    "rk_test_51HxAbCdEf",
		"a password over HTTP":          "basic abcdefghij",
		"a webhook's secret":            "whsec_AbCdEf123456",
		"a key of SendGrid's":           "SG.abcdef.ghijkl",
		"a bearer":                      "Bearer abcdefghij",
		"the secret of a buyer's page":  "pi_3Abc_secret_XyZ",
		"a connection string":           "postgres://patchbay:pw-of-db@db:5432/patchbay",
		"a body":                        `{"to":["ada@example.com"],"html":"<p>` + strings.Repeat("private words ", 1000),
		"an address at the end of room": strings.Repeat("x ", 198) + secret + " ada@example.com",
	}
	for name, text := range private {
		for where, write := range map[string]func(*slog.Logger){
			"the words":          func(l *slog.Logger) { l.Info("it failed: " + text) }, //nolint:sloglint // as a careless author would
			"an error":           func(l *slog.Logger) { l.Error("failed", "error", errors.New(text)) },
			"an error's message": func(l *slog.Logger) { l.Error("failed", "error", fault.New(fault.Invalid, text, text)) },
			"an error's cause": func(l *slog.Logger) {
				l.Error("failed", "error", fmt.Errorf("%s: %w", text, fault.Wrap(fault.Unavailable, text, errors.New(text))))
			},
			"an id": func(l *slog.Logger) { l.Info("done", "payment", text, "tenant", text, "email", text) },
			"a request's line": func(l *slog.Logger) {
				logging.Request(l, slog.LevelInfo, []slog.Attr{slog.String("request", text), slog.String("route", text), slog.String("recipient", text)})
			},
			"a known text":     func(l *slog.Logger) { l.Info("done", "effect", text) },
			"an unknown name":  func(l *slog.Logger) { l.Info("done", "recipient", text) },
			"a group":          func(l *slog.Logger) { l.Info("done", slog.Group("g", "body", text)) },
			"a logger's own":   func(l *slog.Logger) { l.With("recipient", text, "payment", text).Info("done") },
			"a logger's group": func(l *slog.Logger) { l.WithGroup("body").Info("done", "text", text) },
			"a structure":      func(l *slog.Logger) { l.Info("done", "payment", struct{ To string }{text}) },
			"a list":           func(l *slog.Logger) { l.Info("done", "providers", []string{text}) },
			"bytes":            func(l *slog.Logger) { l.Info("done", "error", []byte(text)) },
			"who asked": func(l *slog.Logger) {
				l.InfoContext(logging.WithCaller(context.Background(), logging.Caller{Request: text, Tenant: text, Key: text}), "done")
			},
			"a panic":            func(l *slog.Logger) { guard.Call(l, "work", func() { panic(strings.Repeat("x ", 95) + text) }) },
			"an outage":          nil,
			"what a person does": func(l *slog.Logger) { logging.Act(context.Background(), l, text, text, errors.New(text)) },
			"what happens often": func(l *slog.Logger) {
				(&logging.Repeated{Log: l, Text: "x"}).Note(context.Background(), "k", slog.String("code", text))
			},
			"the key of an error": func(l *slog.Logger) { l.Info("done", text, errors.New(text)) },
		} {
			log, p := newLog(slog.LevelDebug, secret, spaced)
			if write == nil {
				log.Outages.Of("mail", "sendgrid", text).Down(errors.New(text))
			} else {
				write(log.Logger)
			}
			got := strings.Join(p.lines(), "\n")
			if where == "the key of an error" { // a name is never made of data: the linter sees to it
				continue
			}
			if got == "" {
				t.Fatalf("%s in %s: got no line, want one", name, where)
			}
			for _, part := range []string{"example.com", "bücher", "lovelace", secret, "hunter2", "00112233", "51Hx", "AbCdEf", "ghijkl", "abcdefghij", "XyZ", "quotes", "spaces", "pw-of-db"} {
				if strings.Contains(got, part) {
					t.Errorf("%s in %s: got %s, want no %q in it", name, where, got, part)
				}
			}
			if len(got) > 4000 && where != "a panic" || len(got) > 5000 {
				t.Errorf("%s in %s: got %d bytes, want at most 4000, or 5000 for a panic", name, where, len(got))
			}
		}
	}
}

func TestAttributesOfALine(t *testing.T) {
	t.Parallel()
	log, p := newLog(slog.LevelInfo)
	ctx := logging.WithCaller(t.Context(), logging.Caller{Request: "req_1", Tenant: "shop", Key: "key_1"})
	err := fmt.Errorf("create: %w", &fault.Error{
		Kind: fault.Declined, Op: "stripepay.create", Provider: "stripe", Code: "card_declined", DeclineCode: "insufficient_funds",
		Message: "Your card has insufficient funds.", Answer: &fault.Answer{Status: 402, Field: "card", Words: "insufficient funds of ada@example.com"},
	})
	log.InfoContext(ctx, "payment is declined", "payment", "pay_1", "error", err)
	log.InfoContext(ctx, "payment is declined", "tenant", "other", "provider", "mine", "error", err)
	log.InfoContext(ctx, "payment is declined", "payment", "pay_1", "error", fault.Private(err))
	log.Info("listens", "url", "http://127.0.0.1:8080", "keys_required", true, "count", 3, "kind", fault.Declined)
	logging.Act(ctx, log.Logger, "payment.resolve", "", nil, slog.String("payment", "pay_1"))
	logging.Act(t.Context(), log.Logger, "key.revoke", "root", fault.New(fault.NotFound, "no_such_key", "there is none"))
	want(t, p.lines(),
		`level=INFO msg="payment is declined" request=req_1 tenant=shop key=key_1 payment=pay_1 error="create: stripepay.create: declined (card_declined): Your card has insufficient funds." kind=declined provider=stripe code=card_declined decline_code=insufficient_funds status=402 field=card words="insufficient funds of [address]"`,
		`level=INFO msg="payment is declined" request=req_1 key=key_1 tenant=other provider=mine error="create: stripepay.create: declined (card_declined): Your card has insufficient funds." kind=declined code=card_declined decline_code=insufficient_funds status=402 field=card words="insufficient funds of [address]"`,
		`level=INFO msg="payment is declined" request=req_1 tenant=shop key=key_1 payment=pay_1 error="declined (card_declined): Your card has insufficient funds.: create: stripepay.create: declined (card_declined): Your card has insufficient funds." kind=declined provider=stripe code=card_declined decline_code=insufficient_funds status=402 field=card`,
		`level=INFO msg=listens url=http://127.0.0.1:8080 keys_required=true count=3 kind=declined`,
		`level=INFO msg="administrative act" request=req_1 tenant=shop key=key_1 action=payment.resolve by=key_1 payment=pay_1`,
		`level=WARN msg="administrative act failed" action=key.revoke by=root error="not_found (no_such_key): there is none" kind=not_found code=no_such_key`,
	)
}

// The place of a mistake of ours is logged with the files of its modules.
func TestModuleVersionsAreNotTakenForAddresses(t *testing.T) {
	t.Parallel()
	log, p := newLog(slog.LevelInfo)
	log.Error("panic", "error", "github.com/gofiber/fiber/v2@v2.52.15/router.go:145")
	if got := p.lines(); !strings.Contains(got[0], "fiber/v2@v2.52.15/router.go:145") {
		t.Errorf("got %q, want \"fiber/v2@v2.52.15/router.go:145\" in it", got)
	}
	for _, address := range []string{"ada@v1.2.example.com", "a/da@v1.2example.com", "a/da@v1.2.3.example.com"} {
		log.Error("panic", "error", "to "+address)
		if got := strings.Join(p.lines(), ""); strings.Contains(got, address) {
			t.Errorf("line = %s, want no %s in it", got, address)
		}
	}
}
