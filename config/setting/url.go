package setting

import (
	"net"
	"net/url"
)

// BaseURL is the address of a provider's API.
type BaseURL string

// Check returns what is wrong with the URL. It requires https, because the key is sent with
// each request. http is allowed on this machine.
func (b BaseURL) Check() (text string) {
	u, err := url.Parse(string(b))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && (u.Scheme != "http" || !b.Local()) {
		return "must be an https URL, such as https://api.example.com"
	}
	return ""
}

// Local reports whether the URL has a loopback address, as that of a simulator has.
func (b BaseURL) Local() bool {
	u, err := url.Parse(string(b))
	return err == nil && Loopback(net.JoinHostPort(u.Hostname(), "0"))
}
