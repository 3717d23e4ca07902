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

// fetchesPerMinute bounds the calls that strangers can cause who know a topic: a certificate that was
// fetched before costs none.
const fetchesPerMinute = 10

// certificates are those that SNS signs with. They are fetched once.
type certificates struct {
	clock ports.Clock
	get   fetch
	turn  chan struct{} // holds a value while one is fetched

	mu     sync.Mutex
	known  map[string]*x509.Certificate // by URL
	recent []time.Time                  // of the fetches of the last minute
}

func newCertificates(clock ports.Clock, get fetch) certificates {
	return certificates{clock: clock, get: get, turn: make(chan struct{}, 1), known: make(map[string]*x509.Certificate)}
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
	if !c.mayFetch() {
		return nil, errCertificate
	}
	text, err := c.get(ctx, url)
	if err != nil {
		return nil, errCertificate
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errCertificate
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errCertificate
	}
	c.mu.Lock()
	c.known[url] = certificate
	c.mu.Unlock()
	if found := c.find(url); found != nil {
		return found, nil
	}
	return nil, errCertificate
}

// find returns the key in a certificate that was fetched before and is valid now, or nil.
func (c *certificates) find(url string) *rsa.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	certificate, now := c.known[url], c.clock.Now()
	if certificate == nil || now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return nil
	}
	key, _ := certificate.PublicKey.(*rsa.PublicKey)
	return key
}

// mayFetch counts a fetch, and reports whether it may be made.
func (c *certificates) mayFetch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	for len(c.recent) > 0 && now.Sub(c.recent[0]) >= time.Minute {
		c.recent = c.recent[1:]
	}
	if len(c.recent) >= fetchesPerMinute {
		return false
	}
	c.recent = append(c.recent, now)
	return true
}
