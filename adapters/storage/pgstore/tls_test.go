package pgstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/provider"
	"patchbay/adapters/storage/pgstore"
	"patchbay/config/setting"
	"patchbay/core/fault"
	"patchbay/tests/postgres"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// pair is a certificate and its key, in PEM.
type pair struct{ cert, key []byte }

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{cert: &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	made, key := a.sign(t, a.cert)
	a.key, a.pem = key, made.cert
	return a
}

// issue makes a certificate for a server's names, or for an account.
func (a authority) issue(t *testing.T, account string, names ...string) pair {
	t.Helper()
	made, _ := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: account}, DNSNames: names})
	return made
}

// sign signs with the authority's key, or, where it has none yet, with the new one.
func (a authority) sign(t *testing.T, c *x509.Certificate) (pair, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	}, key
}

// The accounts of the server: one must show a certificate, one is let in over TLS
// only, and the superuser of the tests in any way.
const accessRules = `
hostssl all certain 127.0.0.1/32 cert
hostssl all veiled  127.0.0.1/32 trust
host    all patchbay 127.0.0.1/32 trust
`

// ssl: true verifies the server's certificate and its name, and never goes on without
// TLS: the accounts of the first server are let in over TLS alone.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	own := ours.issue(t, "db", "localhost")
	server := postgres.StartWith(t, postgres.Setup{
		Settings: []string{"ssl=on", "ssl_ca_file=clients.crt"},
		Files: map[string][]byte{
			"server.crt": own.cert, "server.key": own.key, "clients.crt": ours.pem, "pg_hba.conf": []byte(accessRules),
		},
	})
	database := server.Database(t)
	admin := server.Connect(t, database)
	if _, err := admin.Exec(t.Context(), "CREATE ROLE certain LOGIN SUPERUSER; CREATE ROLE veiled LOGIN SUPERUSER"); err != nil {
		t.Fatal(err)
	}
	plain := postgres.Shared(t) // speaks no TLS
	for name, c := range map[string]struct {
		server  *postgres.Server
		host    string // the certificate is for localhost
		account string
		ca      []byte
		shows   pair
		bare    bool // ssl: false
		want    fault.Kind
		ok      bool
	}{
		"the right authority and name":             {server: server, host: "localhost", account: "veiled", ca: ours.pem, ok: true},
		"an authority that we do not know":         {server: server, host: "localhost", account: "veiled", ca: theirs.pem, want: fault.Unavailable},
		"no authority but the system's":            {server: server, host: "localhost", account: "veiled", want: fault.Unavailable},
		"another name":                             {server: server, host: "127.0.0.1", account: "veiled", ca: ours.pem, want: fault.Unavailable},
		"a certificate of ours where one is asked": {server: server, host: "localhost", account: "certain", ca: ours.pem, shows: ours.issue(t, "certain"), ok: true},
		"none":              {server: server, host: "localhost", account: "certain", ca: ours.pem, want: fault.Unauthorized},
		"another account's": {server: server, host: "localhost", account: "certain", ca: ours.pem, shows: ours.issue(t, "veiled"), want: fault.Unauthorized},
		"one of an authority that it does not know": {server: server, host: "localhost", account: "certain", ca: ours.pem, shows: theirs.issue(t, "certain"), want: fault.Unavailable},
		"no TLS, where it is demanded":              {server: server, host: "127.0.0.1", account: "veiled", bare: true, want: fault.Unauthorized},
		"a server without TLS":                      {server: plain, host: "localhost", account: postgres.Username, ca: ours.pem, want: fault.Unavailable},
		"a server without TLS, where none is asked": {server: plain, host: "127.0.0.1", account: postgres.Username, bare: true, ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := setting.StandardDatabase("postgres", int(c.server.Port))
			d.Host, d.SSL = c.host, !c.bare
			d.CAFile, d.CertFile, d.KeyFile = file(t, c.ca), file(t, c.shows.cert), file(t, c.shows.key)
			if wrong := d.Check(); wrong != nil {
				t.Fatal(wrong)
			}
			d.Database, d.Username, d.Pool.Max = database, c.account, 2
			if c.server == plain {
				d.Database = plain.Database(t)
			}
			store, err := pgstore.Open(t.Context(), provider.Environment{Settings: d, Clock: clock.System{}, IDs: ids.UUIDs{}})
			if c.ok != (err == nil) || err != nil && !fault.Is(err, c.want) {
				t.Errorf("%v, want %s, or in: %v", err, c.want, c.ok)
			}
			if err != nil {
				return
			}
			defer store.Close()
			if err := store.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func file(t *testing.T, content []byte) string {
	t.Helper()
	if content == nil {
		return ""
	}
	path := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
