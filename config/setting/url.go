package setting

import (
	"net"
	"net/url"
	"strings"
	"unicode"
)

// BaseURL is the address of a provider's API.
type BaseURL string

// Check returns what is wrong with the URL. It requires https, because the key is sent with
// each request. http is allowed for a loopback address. A host is written in ASCII, as it is
// looked up.
func (b BaseURL) Check() (text string) {
	u, err := url.Parse(string(b))
	plaintext := err == nil && u.Scheme == "http" && Loopback(net.JoinHostPort(u.Hostname(), "0"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.ContainsFunc(u.Host, notASCII) || u.Scheme != "https" && !plaintext {
		return "must be an https URL, such as https://api.example.com"
	}
	return ""
}

func notASCII(r rune) bool { return r > unicode.MaxASCII }

// Local reports whether the URL leads to this machine, as that of a simulator does, however
// its host is written: localhost., 127.1 and [::] do, too.
func (b BaseURL) Local() bool {
	u, err := url.Parse(string(b))
	return err == nil && u.Host != "" && localHost(u.Hostname())
}
