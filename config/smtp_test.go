package config_test

import (
	"path/filepath"
	"testing"
)

func TestMistakesInTheWayInBySMTPAreReported(t *testing.T) {
	t.Parallel()
	const needed = "mail.smtp.tls.cert_file: and key_file are required where API keys are: no key is taken before TLS"
	for _, tt := range []mistake{
		{"no address", "mail: {smtp: {address: here}}", []string{`file:1: mail.smtp.address: "here" is not an address such as 127.0.0.1:8080`}},
		{"the address of the API", "mail: {smtp: {address: '127.0.0.1:8080'}}", []string{"file:1: mail.smtp.address: must not be server.address: the two listen apart"}},
		{"the address of the console", "mail: {smtp: {address: '127.0.0.1:8081'}}", []string{"file:1: mail.smtp.address: must not be server.admin_address: the two listen apart"}},
		{"other machines without TLS", "mail: {smtp: {address: '0.0.0.0:2525'}}", []string{"file:1: " + needed}},
		{"keys without TLS", "auth: {mode: required}\nmail: {smtp: {address: '127.0.0.1:2525'}}", []string{"file:2: " + needed}},
		{"other machines without keys", "auth: {mode: 'off'}\nmail: {smtp: {address: '0.0.0.0:2525'}}", []string{
			"file:1: auth.mode: may be off only if mail.smtp.address is a loopback address as well; write auto",
			"file:2: " + needed,
		}},
		{"half a certificate", "mail: {smtp: {address: '127.0.0.1:2525', tls: {cert_file: a}}}", []string{"file:1: mail.smtp.tls.cert_file: and key_file belong together"}},
		{"a certificate without an address", "mail: {smtp: {tls: {cert_file: a, key_file: b}}}", []string{"file:1: mail.smtp.tls.cert_file: has no meaning without mail.smtp.address"}},
	} {
		tt.check(t)
	}
}

func TestAWayInBySMTPOnLoopbackNeedsNoKeys(t *testing.T) {
	t.Parallel()
	c, err := load(t, "mail: {smtp: {address: '127.0.0.1:2525'}}")
	if err != nil {
		t.Fatal(err)
	}
	if c.SMTPKeysRequired() {
		t.Error("keys are required on a loopback address, want none as for the API")
	}
}

func TestACertificateThatCannotBeUsedIsAMistake(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none.pem")
	_, err := load(t, "mail: {smtp: {address: '0.0.0.0:2525', tls: {cert_file: "+missing+", key_file: "+missing+"}}}")
	if err == nil {
		t.Error("no mistake is found, want one of the files that are not there")
	}
}
