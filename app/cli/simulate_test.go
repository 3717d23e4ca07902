package cli_test

import (
	"strings"
	"testing"
)

func TestWhatASimulatorCannotSendEventsWith(t *testing.T) {
	t.Parallel()
	const url = "http://127.0.0.1:8080/api/webhooks/resend"
	for _, c := range []struct{ args, says string }{
		{"stripe --webhooks 127.0.0.1:8080", `--webhooks "127.0.0.1:8080": it must be a URL such as http://127.0.0.1:8080/api/webhooks/stripe`},
		{"mailgun --webhooks ftp://127.0.0.1/", "it must be a URL such as http://127.0.0.1:8080/api/webhooks/mailgun"},
		{"sendgrid --webhook-secret s", "--webhook-secret signs events, which are sent with --webhooks alone"},
		{"resend --webhooks " + url + " --webhook-secret s", "--webhook-secret: it must be whsec_ and base64, as Resend's are"},
		{"resend --webhooks " + url + " --webhook-secret whsec_=", "it must be whsec_ and base64"},
		{"ses --webhooks " + url, "unknown flag: --webhooks"},
	} {
		args := append([]string{"simulate"}, strings.Fields(c.args)...)
		if got := run(t, nil, args...); got.code != 1 || !strings.Contains(got.stderr, c.says) || got.stdout != "" {
			t.Errorf("%s: got %+v, want exit code 1, %q and nothing printed", c.args, got, c.says)
		}
	}
}
