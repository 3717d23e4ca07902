package smtpapi

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificates reads a certificate and its key from files, and again when one of the files has changed.
type Certificates struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	version [2]version
}

// version tells one content of a file from another.
type version struct {
	at   time.Time
	size int64
}

// OpenCertificates reads the files, in PEM. It returns an error if they cannot be used.
func OpenCertificates(cert, key string, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{cert: cert, key: key, log: log}
	c.version = c.now()
	loaded, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	c.loaded = &loaded
	return c, nil
}

// Get returns the certificate, for tls.Config. If the files have changed and cannot be used, it is the one
// before.
func (c *Certificates) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now != c.version {
		c.version = now
		fresh, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			c.log.Error("certificate is not read again; the one before stays in use", "path", c.cert, "error", err)
			return c.loaded, nil
		}
		c.loaded = &fresh
		c.log.Info("certificate is read again", "path", c.cert)
	}
	return c.loaded, nil
}

// now returns the versions of the files. A file that is not there has the zero version.
func (c *Certificates) now() (v [2]version) {
	for i, name := range []string{c.cert, c.key} {
		if info, err := os.Stat(name); err == nil {
			v[i] = version{info.ModTime(), info.Size()}
		}
	}
	return v
}
