package setting_test

import (
	"testing"

	"patchbay/config/setting"
)

func TestABaseURLIsLocalInAnyFormThatResolvesToThisMachine(t *testing.T) {
	t.Parallel()
	for host, local := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "LocalHost": true, "localhost.": true, "foo.localhost": true, "foo.LOCALHOST.": true,
		"localhost.localdomain": true, "ip6-localhost": true, "ip6-loopback": true,
		"127.0.0.1": true, "127.0.0.1.": true, "127.0.0.2": true, "127.1": true, "127.0.1": true, "2130706433": true,
		"0x7f.1": true, "0X7F000001": true, "0177.0.0.1": true, "0.0.0.0": true, "0": true,
		"[::1]": true, "[0:0:0:0:0:0:0:1]": true, "[::1%25lo]": true, "[::]": true, "[::ffff:127.0.0.1]": true, "[::ffff:7f00:1]": true,
		"[::ffff:0.0.0.0]": true,
		"api.stripe.com":   false, "localhost.example.com": false, "notlocalhost": false, "127.0.0.1.example.com": false, "localtest.me": false,
		"10.0.0.1": false, "126.255.255.255": false, "128.1": false, "256.1": false, "127.1.1.1.1": false, "127.16777216": false, "4294967296": false,
		"0b1": false, "0o177.1": false, "127.0.0.08": false, "12_7.1": false, "127..1": false, "[::2]": false, "[fe80::1%25lo]": false,
	} {
		if got := setting.BaseURL("https://" + host + ":8000/v1").Local(); got != local {
			t.Errorf("Local of the host %s = %t, want %t", host, got, local)
		}
	}
}

// Only an address that is certain to be of this machine may be sent a key in plain text.
func TestAPlaintextBaseURLNeedsALoopbackAddress(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"foo.localhost", "127.1", "0.0.0.0", "[::]", "ip6-localhost"} {
		if setting.BaseURL("http://"+host).Check() == "" {
			t.Errorf("Check of http://%s found no mistake, want one", host)
		}
		if text := setting.BaseURL("https://" + host).Check(); text != "" {
			t.Errorf("Check of https://%s = %q, want no mistake", host, text)
		}
	}
}

// An HTTP client maps such letters to others when it looks the host up.
func TestABaseURLHasNoHostBeyondASCII(t *testing.T) {
	t.Parallel()
	for _, url := range []setting.BaseURL{"https://127\u30020\u30020\u30021", "https://\u24dbocalhost"} {
		if url.Check() == "" {
			t.Errorf("Check of %q found no mistake, want one", url)
		}
	}
}
