package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

var (
	typed    = regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)$`)
	label    = regexp.MustCompile(`(\w+)="`)
	metric   = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| ([^|]+) \\| [^|]+ \\|$")
	variants = regexp.MustCompile(`_(bucket|sum|count)$`) // of a histogram
)

// shown returns the metrics that a gateway serves besides those of its library: type and labels by
// name.
func shown(t *testing.T, g *gateway.Gateway) map[string]string {
	t.Helper()
	text := string(g.Ask(t, "/metrics").Body)
	all, labels := make(map[string]string), make(map[string][]string)
	for line := range strings.Lines(text) {
		name, rest, some := strings.Cut(line, "{")
		name = variants.ReplaceAllString(name, "")
		for _, l := range label.FindAllStringSubmatch(rest, -1) {
			if some && l[1] != "le" && !slices.Contains(labels[name], l[1]) {
				labels[name] = append(labels[name], l[1])
			}
		}
	}
	for _, m := range typed.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "go_") && !strings.HasPrefix(m[1], "process_") {
			slices.Sort(labels[m[1]])
			all[m[1]] = m[2] + " " + strings.Join(labels[m[1]], " ")
		}
	}
	return all
}

// documented returns the metrics that the manual describes.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(gateway.Root(), "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "\n## Metrics\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	all := make(map[string]string)
	for _, m := range metric.FindAllStringSubmatch(chapter, -1) {
		labels := strings.Fields(strings.NewReplacer("`", "", "none", "").Replace(m[3]))
		slices.Sort(labels)
		all[m[1]] = m[2] + " " + strings.Join(labels, " ")
	}
	return all
}

var (
	named   = regexp.MustCompile(`\bpatchbay_\w+`)
	counted = regexp.MustCompile(`\bpatchbay_open\w*\{of="\w+"\}`)
	alert   = regexp.MustCompile(`(?m)^      - alert: (\w+)$`)
	advice  = regexp.MustCompile("(?m)^\\| `(Patchbay\\w+)` \\|")
)

// wantRules compares the example of Prometheus's rules with the metrics that are served, and the
// manual with the rules.
func wantRules(t *testing.T, g *gateway.Gateway, served map[string]string) {
	t.Helper()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(gateway.Root(), "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rules := read("prometheus-rules.yaml")
	for _, name := range named.FindAllString(rules, -1) {
		if served[name] == "" {
			t.Errorf("the rules name %s, which is not served, want some", name)
		}
	}
	for _, series := range counted.FindAllString(rules, -1) {
		if g.Metric(t, series) == "" {
			t.Errorf("the rules name %s, which is not served, want some", series)
		}
	}
	names := func(of *regexp.Regexp, text string) (all []string) {
		for _, m := range of.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		return all
	}
	if alerts, advised := names(alert, rules), names(advice, read("operations.md")); len(alerts) < 10 || !slices.Equal(alerts, advised) {
		t.Errorf("the rules have %v, the manual %v, want at least 10 alerts", alerts, advised)
	}
}

// TestMetrics stops the database and starts it again, and checks that the metrics show it, and
// that they are those of the manual.
func TestMetrics(t *testing.T) {
	t.Parallel()
	o := startOutage(t, "{type: sqlite, path: data/mirror.db}")
	value := func(series string) string { return o.Metric(t, series) }
	o.do(t, "POST", "/api/payments", pay("pm_card_visa", nil))
	o.do(t, "POST", "/api/payments", pay("pm_card_chargeDeclined", nil))
	sent := o.do(t, "POST", "/api/emails", emailBody("sent"))
	gateway.Eventually(t, 10*time.Second, "it goes out", func() bool { return o.copies(t, sent.Text("id")) > 0 })
	o.fed(t)
	for series, want := range map[string]string{
		`patchbay_calls_total{op="create",outcome="ok",provider="mock"}`:       "1",
		`patchbay_calls_total{op="create",outcome="declined",provider="mock"}`: "1",
		`patchbay_calls_total{op="send",outcome="ok",provider="catcher"}`:      "1",
		`patchbay_call_seconds_count{op="create",provider="mock"}`:             "2",
		`patchbay_breaker_state{provider="postgres"}`:                          "0",
		`patchbay_breaker_state{provider="mock"}`:                              "0",
		`patchbay_breaker_state{provider="catcher"}`:                           "0",
		`patchbay_decisions_total{decision="overloaded",provider="catcher"}`:   "0",
		`patchbay_spool_held`:                                   "0",
		`patchbay_spool_refused`:                                "0",
		`patchbay_spool_oldest_seconds`:                         "0",
		`patchbay_store_counted`:                                "1",
		`patchbay_queue_depth{queue="payments:mock"}`:           "0",
		`patchbay_queue_oldest_seconds{queue="mail:catcher"}`:   "0",
		`patchbay_open{of="payments_unknown"}`:                  "0",
		`patchbay_open_oldest_seconds{of="webhooks_set_aside"}`: "0",
	} {
		if got := value(series); got != want {
			t.Errorf("%s is %q, not %s", series, got, want)
		}
	}
	if lag := value("patchbay_standby_lag_seconds"); lag == "" || lag == "+Inf" {
		t.Errorf("the standby is fed, and its lag is %q, want a number of seconds", lag)
	}
	for _, op := range []string{"save", "get", "claim", "publish"} {
		if n := value(`patchbay_calls_total{op="` + op + `",outcome="ok",provider="postgres"}`); n == "" || n == "0" {
			t.Errorf("%s: %q calls of the store, want some", op, n)
		}
	}
	got, want := shown(t, o.Gateway), documented(t)
	for name, what := range got {
		if want[name] != what {
			t.Errorf("help of %s = %q, want %q as in docs/operations.md", name, what, want[name])
		}
	}
	for name, what := range want {
		if got[name] == "" {
			t.Errorf("the manual has %s: %q, which is not served, want some", name, what)
		}
	}
	wantRules(t, o.Gateway, got)

	o.server.Kill()
	gateway.Eventually(t, 30*time.Second, "the breaker opens", func() bool { return value(`patchbay_breaker_state{provider="postgres"}`) == "2" })
	o.do(t, "POST", "/api/emails", emailBody("held"))
	gateway.Eventually(t, 30*time.Second, "it is held", func() bool {
		return value("patchbay_spool_held") == "1" && value("patchbay_spool_oldest_seconds") != "0"
	})
	gateway.Eventually(t, 30*time.Second, "what is in the store is not shown, not even as 0", func() bool {
		return value("patchbay_store_counted") == "0" && value(`patchbay_open{of="payments_unknown"}`) == "" && value(`patchbay_queue_depth{queue="mail:catcher"}`) == ""
	})
	if n := value(`patchbay_decisions_total{decision="skipped",provider="postgres"}`); n == "0" {
		t.Error("skipped calls: got 0, want some")
	}
	o.server.Restart(t)
	gateway.Eventually(t, 30*time.Second, "all is well again", func() bool {
		return value(`patchbay_breaker_state{provider="postgres"}`) == "0" && value("patchbay_spool_held") == "0" && value("patchbay_spool_oldest_seconds") == "0" &&
			value("patchbay_store_counted") == "1"
	})
}
