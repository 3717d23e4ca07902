package setting

import (
	"cmp"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Database holds the settings of a store on a database server.
type Database struct {
	URL            Secret `config:"url"` // scheme://username:password@host:port/database, instead of those five settings
	Host           string `config:"host"`
	Port           int    `config:"port"`
	Database       string `config:"database"`
	Username       string `config:"username"`
	Password       Secret `config:"password"`
	SSL            bool   `config:"ssl"`             // TLS, with verification of the server's certificate and name
	AllowPlaintext bool   `config:"allow_plaintext"` // allows ssl: false although the host is another machine
	CAFile         string `config:"ca_file"`         // PEM; if empty, the system's authorities
	CertFile       string `config:"cert_file"`       // PEM, our own certificate; requires KeyFile
	KeyFile        string `config:"key_file"`
	Pool           Pool   `config:"pool"`

	scheme   string    `config:"-"` // of URL
	standard *Database `config:"-"` // the defaults
}

// Pool bounds the connections to a database.
type Pool struct {
	Min  int  `config:"min"`
	Max  int  `config:"max"`
	Idle Idle `config:"idle"`
}

// Idle is how long a connection may be idle: a duration, or a plain number of milliseconds.
type Idle time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *Idle) UnmarshalText(text []byte) error {
	if ms, err := strconv.ParseUint(string(text), 10, 32); err == nil {
		*i = Idle(time.Duration(ms) * time.Millisecond)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return errors.New("is neither a duration such as 30s nor a number of milliseconds")
	}
	*i = Idle(d)
	return nil
}

// Address implements Addressed.
func (d *Database) Address() string { return d.server() + "/" + d.Database }

func (d *Database) server() string { return net.JoinHostPort(d.Host, strconv.Itoa(d.Port)) }

// StandardDatabase returns the default settings for a database server whose URLs have the
// given scheme.
func StandardDatabase(scheme string, port int) *Database {
	d := &Database{
		Host: "127.0.0.1", Port: port, Database: "patchbay", Username: "patchbay", SSL: true,
		Pool: Pool{Min: 2, Max: 20, Idle: Idle(30 * time.Second)}, scheme: scheme,
	}
	written := *d
	d.standard = &written
	return d
}

// Check reports settings with which no database can be opened.
func (d *Database) Check() (all Mistakes) {
	all.Add("url", d.readURL())
	all.Require(d.Host != "", "host", "is required")
	all.Require(d.Port >= 1 && d.Port <= 65535, "port", "must be 1 to 65535")
	all.Require(d.Database != "", "database", "is required")
	all.Require(d.SSL || d.AllowPlaintext || Loopback(d.server()), "ssl",
		"may be false only for a server on this machine; write allow_plaintext: true beside it if the way there is safe", "url", "host", "port", "allow_plaintext")
	all.Require((d.CertFile == "") == (d.KeyFile == ""), "cert_file", "and key_file belong together", "key_file")
	// One connection holds the lock while another creates tables.
	all.Require(d.Pool.Max >= 2 && d.Pool.Max <= 1000, "pool.max", "must be 2 to 1000")
	all.Require(d.Pool.Min >= 0 && d.Pool.Min <= d.Pool.Max, "pool.min", "must be 0 to pool.max", "pool.max")
	if _, err := d.TLS(); err != nil {
		all.Add("ca_file", err.Error(), "ssl", "cert_file", "key_file")
	}
	return all
}

// readURL sets the single settings from the URL.
func (d *Database) readURL() (mistake string) {
	if d.URL.Reveal() == "" {
		return ""
	}
	u, err := url.Parse(d.URL.Reveal())
	if err != nil || u.Scheme != d.scheme && u.Scheme != alias[d.scheme] || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return "must be " + d.scheme + "://username:password@host:port/database, and nothing after it: ssl, ca_file and pool are settings of their own"
	}
	if s := d.standard; d.Host != s.Host || d.Port != s.Port || d.Database != s.Database || d.Username != s.Username || d.Password != s.Password {
		return "says what host, port, database, username and password say too: write the one or the others"
	}
	d.Host = u.Hostname()
	if port := u.Port(); port != "" {
		d.Port, _ = strconv.Atoi(port) // digits, or parsing would have failed
	}
	d.Database = cmp.Or(strings.TrimPrefix(u.Path, "/"), d.Database)
	d.Username = cmp.Or(u.User.Username(), d.Username)
	if password, some := u.User.Password(); some {
		d.Password = NewSecret(password)
	}
	return ""
}

// alias maps a URL scheme to its alternative spelling.
var alias = map[string]string{"postgres": "postgresql"}

// TLS returns how the server is verified and which certificate we present. It is nil if ssl
// is false.
func (d *Database) TLS() (*tls.Config, error) {
	if !d.SSL {
		return nil, nil //nolint:nilnil // there is none
	}
	roots, err := Authorities(d.CAFile)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{ServerName: d.Host, MinVersion: tls.VersionTLS12, RootCAs: roots}
	if d.CertFile != "" {
		own, err := tls.LoadX509KeyPair(d.CertFile, d.KeyFile)
		if err != nil {
			return nil, errors.New("is right, but cert_file and key_file cannot be used")
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}
