package setting

import (
	"crypto/x509"
	"errors"
	"os"
)

// Authorities reads the certificates of authorities from a file in PEM. It returns nil, which
// means those of the system, if file is empty.
func Authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // those of the system
	}
	pem, err := os.ReadFile(file) //nolint:gosec // the operator's own
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("has no certificate in PEM")
	}
	return pool, nil
}
