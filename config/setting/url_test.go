package setting_test

import (
	"testing"

	"patchbay/config/setting"
)

func TestABaseURLIsHTTPSUnlessItIsOfThisMachine(t *testing.T) {
	t.Parallel()
	for url, right := range map[setting.BaseURL]bool{
		"https://api.example.com": true, "https://api.example.com/v3/": true,
		"http://127.0.0.1:8000": true, "http://localhost": true, "http://[::1]:3001": true, "https://127.0.0.1": true,
		"http://api.example.com": false, "https://u:p@api.example.com": false, "https://api.example.com?key=1": false,
		"api.example.com": false, "ftp://localhost": false, "https://": false, "": false, ":": false,
	} {
		if text := url.Check(); (text == "") != right || !right && text != "must be an https URL, such as https://api.example.com" {
			t.Errorf("%q: got %q, want right to be %t", url, text, right)
		}
	}
}

func TestABaseURLIsLocalIfItsHostIsLoopback(t *testing.T) {
	t.Parallel()
	for url, local := range map[setting.BaseURL]bool{
		"http://127.0.0.1:8000": true, "https://localhost": true, "http://[::1]:3001": true,
		"https://api.example.com": false, "https://localhost.example.com": false, "": false, ":": false,
	} {
		if got := url.Local(); got != local {
			t.Errorf("%q: got %t, want %t", url, got, local)
		}
	}
}
