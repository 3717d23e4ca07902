package sesmail

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // version 1 of the signature, which is the default of SNS
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
	"patchbay/ports"
)

// signedWith reports whether a delivery was signed with a key.
func (e envelope) signedWith(key *rsa.PublicKey) bool {
	signature, err := base64.StdEncoding.DecodeString(e.Signature)
	if err != nil {
		return false
	}
	signed := []byte(e.signed())
	switch e.SignatureVersion {
	case "1":
		sum := sha1.Sum(signed) //nolint:gosec // as above
		return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature) == nil
	case "2":
		sum := sha256.Sum256(signed)
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

// signed returns what is signed of a delivery: the names and values of these fields, each on a line.
func (e envelope) signed() string {
	var b strings.Builder
	add := func(name, value string) { fmt.Fprintf(&b, "%s\n%s\n", name, value) }
	add("Message", e.Message)
	add("MessageId", e.MessageID)
	if e.Type == typeNotification {
		if e.Subject != nil {
			add("Subject", *e.Subject)
		}
		add("Timestamp", e.Timestamp)
	} else {
		add("SubscribeURL", e.SubscribeURL)
		add("Timestamp", e.Timestamp)
		add("Token", e.Token)
	}
	add("TopicArn", e.TopicARN)
	add("Type", e.Type)
	return b.String()
}

// fetch gets a URL. It returns an error unless the answer is 200.
type fetch func(ctx context.Context, url string) ([]byte, error)

// fetcher returns the fetch of SNS itself.
func fetcher() (fetch, error) {
	client, err := httpclient.New(httpclient.Options{BaseURL: "https://sns.amazonaws.com", Timeout: 5 * time.Second, MaxAnswer: 64 << 10, MaxConns: 4})
	if err != nil {
		return nil, fmt.Errorf("sesmail: %w", err)
	}
	return func(ctx context.Context, url string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return nil, httpclient.Redact(err)
		}
		resp, err := client.HTTP().Do(req)
		if err != nil {
			return nil, httpclient.Redact(err)
		}
		defer resp.Body.Close() //nolint:errcheck // only read
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("the answer is %d", resp.StatusCode)
		}
		return body, err
	}, nil
}

// What strangers who know a topic can cause: they can name any number of certificates that SNS does not
// have. One that was fetched before costs no call, and does not depend on these bounds.
const (
	fetchesPerMinute = 10               // of certificates that were never had, at one host
	pause            = 10 * time.Second // between the fetches of a certificate that could not be had
)

// certificates are those that SNS signs with in a region. They are fetched once.
type certificates struct {
	clock ports.Clock
	get   fetch
	turn  chan struct{} // holds a value while one is fetched

	mu     sync.Mutex
	known  map[string]*x509.Certificate // by URL; each was valid once
	failed map[string]time.Time         // the last failed fetch, by URL, for the length of the pause
	recent []time.Time                  // of the fetches of the last minute that count
}

func newCertificates(clock ports.Clock, get fetch) *certificates {
	return &certificates{
		clock: clock, get: get, turn: make(chan struct{}, 1), known: make(map[string]*x509.Certificate), failed: make(map[string]time.Time),
	}
}

var errCertificate = fault.New(fault.Unavailable, "certificate_unavailable", "the certificate of the signature could not be fetched")

// key returns the key in the certificate at a URL. Unavailable: it could not be fetched, or is not valid
// at this time.
func (c *certificates) key(ctx context.Context, url string) (*rsa.PublicKey, error) {
	if found := c.find(url); found != nil {
		return found, nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, errCertificate
	}
	if found := c.find(url); found != nil { // fetched meanwhile
		return found, nil
	}
	if !c.mayFetch(url) {
		return nil, errCertificate
	}
	// A stranger who hangs up must not make the fetch fail for others. It has a time limit of its own.
	text, err := c.get(context.WithoutCancel(ctx), url)
	var found *rsa.PublicKey
	if err == nil {
		found = c.keep(url, text)
	}
	if found == nil {
		c.mu.Lock()
		c.failed[url] = c.clock.Now()
		c.mu.Unlock()
		return nil, errCertificate
	}
	return found, nil
}

// keep keeps a certificate and returns its key, or nil if it is none that is valid now.
func (c *certificates) keep(url string, text []byte) *rsa.PublicKey {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := keyOf(certificate, c.clock.Now())
	if key != nil {
		c.known[url] = certificate
	}
	return key
}

// find returns the key in a certificate that was fetched before and is valid now, or nil.
func (c *certificates) find(url string) *rsa.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return keyOf(c.known[url], c.clock.Now())
}

// keyOf returns the key in a certificate, nil if there is none that is valid now.
func keyOf(certificate *x509.Certificate, now time.Time) *rsa.PublicKey {
	if certificate == nil || now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return nil
	}
	key, _ := certificate.PublicKey.(*rsa.PublicKey)
	return key
}

// mayFetch reports whether a fetch may be made, and counts it, unless the certificate was had before.
func (c *certificates) mayFetch(url string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	maps.DeleteFunc(c.failed, func(_ string, at time.Time) bool { return now.Sub(at) >= pause })
	if _, failed := c.failed[url]; failed {
		return false
	}
	if c.known[url] != nil {
		return true
	}
	for len(c.recent) > 0 && now.Sub(c.recent[0]) >= time.Minute {
		c.recent = c.recent[1:]
	}
	if len(c.recent) >= fetchesPerMinute {
		return false
	}
	c.recent = append(c.recent, now)
	return true
}
