package paymenttest

import (
	"context"
	"strings"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// outcomeCases checks the errors that a gateway returns for failed requests.
var outcomeCases = []testCase{
	notDoneCase("connection refused: unavailable", FaultRefused, fault.Unavailable),
	notDoneCase("a 429: rate limited", FaultRateLimited, fault.RateLimited),
	notDoneCase("a 401: unauthorized, which is ours to mend", FaultUnauthorized, fault.Unauthorized),
	notDoneCase("a 403: refused, about this request", FaultForbidden, fault.Refused),
	unknownCase("a proxy's 403 after the commit", FaultPage),
	unknownCase("read time-out after the commit", FaultTimeoutAfter),
	unknownCase("a 500 after the commit", FaultServerError),
	unknownCase("a connection reset after the commit", FaultReset),
	unknownCase("a malformed 200", FaultMalformed),
	{
		name:  "time-out before the commit: unknown, and looking says absent",
		doc:   "Create returns unknown_outcome, the operation is not found, and a repeat takes the money once.",
		needs: lookup,
		run: func(p *suite) {
			r := p.request(p.Fail(p.T, payment.Create, FaultTimeoutBefore))
			r.Metadata = operationMetadata("op_30")
			_, err := p.Gateway.Create(p.Context(), r)
			p.wantErr(err, fault.UnknownOutcome, "")
			if found := p.find("op_30"); len(found) != 0 {
				p.Errorf("found %+v, want nothing", found)
			}
			p.wantCharged(0)
			p.wantStatus(p.create(r), payment.Succeeded)
			p.wantCharged(usual)
		},
	},
	{
		name: "given up after the request was sent: unknown",
		doc:  "A caller that leaves during the call gets unknown_outcome, and a repeat takes the money once.",
		run: func(p *suite) {
			r := p.request(p.Fail(p.T, payment.Create, FaultHang))
			ctx, cancel := context.WithCancel(p.Context())
			defer cancel()
			answer := make(chan error, 1)
			go func() {
				_, err := p.Gateway.Create(ctx, r)
				answer <- err
			}()
			deadline, stop := context.WithTimeout(p.Context(), 10*time.Second)
			defer stop()
			p.poll(deadline, func() bool { return len(p.Book(p.T)) != 0 })
			cancel()
			p.wantErr(<-answer, fault.UnknownOutcome, "")
			p.wantStatus(p.create(r), payment.Succeeded)
			p.wantCharged(usual)
		},
	},
	{
		name: "given up before anything was sent: canceled",
		doc:  "With a canceled context Create returns canceled, and the book stays empty.",
		run: func(p *suite) {
			ctx, cancel := context.WithCancel(p.Context())
			cancel()
			_, err := p.Gateway.Create(ctx, p.request(p.Pays))
			p.wantErr(err, fault.Canceled, "")
			if book := p.Book(p.T); len(book) != 0 {
				p.Errorf("book %+v, want it empty", book)
			}
		},
	},
	{
		name:  "a capture whose outcome is unknown is found by retrieving",
		doc:   "After a capture with an unknown outcome Retrieve shows that it was done, and a repeat captures nothing more.",
		needs: manualCapture,
		run: func(p *suite) {
			i := p.authorizeWith(p.Fail(p.T, payment.Capture, FaultReset))
			r := payment.CaptureRequest{Key: newKey(), Reference: i.Reference}
			_, err := p.Gateway.Capture(p.Context(), r)
			p.wantErr(err, fault.UnknownOutcome, "")
			p.settle()
			read := p.retrieve(i.Reference)
			p.wantStatus(read, payment.Succeeded)
			p.wantAmounts(read, 0, usual, 0)
			if _, err := p.Gateway.Capture(p.Context(), r); err != nil {
				p.Errorf("Capture, repeated: %v", err)
			}
			p.wantCharged(usual)
		},
	},
	{
		name: "no secret in errors or in the log",
		doc:  "Neither an error nor the log has a credential or a client secret.",
		run: func(p *suite) {
			if len(p.Secrets) == 0 {
				p.Fatal("the harness names no secret")
			}
			said := p.Log()
			for _, f := range []Fault{
				FaultRefused, FaultTimeoutBefore, FaultTimeoutAfter, FaultServerError,
				FaultReset, FaultMalformed, FaultRateLimited, FaultUnauthorized, FaultForbidden,
			} {
				_, err := p.Gateway.Create(p.Context(), p.request(p.Fail(p.T, payment.Create, f)))
				if err == nil {
					p.Fatalf("%s: no error", f)
				}
				said += err.Error() + "\n"
			}
			declined, err := p.Gateway.Create(p.Context(), p.request(p.Declines[0].Method))
			p.wantErr(err, fault.Declined, "")
			said += err.Error() + "\n" + p.Log()
			secrets := p.Secrets
			if p.Gateway.Capabilities().InBrowser {
				secrets = append([]string{declined.ClientSecret}, secrets...)
			}
			for _, secret := range secrets {
				if strings.Contains(said, secret) {
					p.Errorf("a secret was said aloud: %s", secret)
				}
			}
		},
	},
}

// notDoneCase checks that the gateway returns this Kind for a fault that proves that nothing was
// done.
func notDoneCase(name string, f Fault, kind fault.Kind) testCase {
	return testCase{name: name + ", nothing done", doc: "Create returns " + kind.String() + ", and the book stays empty.", run: func(p *suite) {
		_, err := p.Gateway.Create(p.Context(), p.request(p.Fail(p.T, payment.Create, f)))
		p.wantErr(err, kind, "")
		if book := p.Book(p.T); len(book) != 0 {
			p.Errorf("book %+v, want it empty", book)
		}
	}}
}

// unknownCase checks that the gateway returns UnknownOutcome for a fault that proves nothing, and
// that the payment can be found by reading and by repeating the request.
func unknownCase(name string, f Fault) testCase {
	doc := "Create returns unknown_outcome; the intent is then read, looked up and returned by a repeat, and the money is taken once."
	return testCase{name: name + ": unknown, and looking finds it", doc: doc, run: func(p *suite) {
		r := p.request(p.Fail(p.T, payment.Create, f))
		r.Metadata = operationMetadata("op_unknown")
		_, err := p.Gateway.Create(p.Context(), r)
		p.wantErr(err, fault.UnknownOutcome, "")
		made := p.entry().Reference
		p.settle()
		p.wantStatus(p.retrieve(made), payment.Succeeded)
		if lookup.declared(p.Gateway.Capabilities()) {
			if found := p.find("op_unknown"); len(found) != 1 || found[0].Reference != made {
				p.Errorf("found %+v, want only %s", found, made)
			}
		}
		repeated, err := p.Gateway.Create(p.Context(), r)
		switch {
		case f == FaultServerError && p.Gateway.Capabilities().Keys.ReplaysErrors:
			p.wantErr(err, fault.UnknownOutcome, "")
		case err != nil || repeated.Reference != made:
			p.Errorf("the repeat made %s, want %s: %v", repeated.Reference, made, err)
		}
		p.entry()
		p.wantCharged(usual)
	}}
}
