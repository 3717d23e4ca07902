package cli_test

import (
	"context"
	"strings"
	"testing"

	"patchbay/app/cli"
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
		var stdout, stderr strings.Builder
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what starts in spite of it ends at once
		code := cli.Main(ctx, append([]string{"simulate"}, strings.Fields(c.args)...), nil, &stdout, &stderr)
		if code != 1 || !strings.Contains(stderr.String(), c.says) || stdout.String() != "" {
			t.Errorf("%s: got %d, %q, %q, want 1, %q and nothing printed", c.args, code, stderr.String(), stdout.String(), c.says)
		}
	}
}
