package suppressions

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/suppression"
	"patchbay/ports"
)

// A token is base64url of: the version, the keyed hash of the address, the length of the tenant, the
// tenant, the id of the message, and the signature over all that. It does not expire: a recipient may
// unsubscribe by whichever message is at hand.
const (
	version        = 1
	signatureBytes = 16
	tokenHead      = 1 + hashBytes + 1
)

var errToken = fault.New(fault.NotFound, "no_such_link", "this link is not one of ours")

// UnsubscribeURL implements ports.Suppressions.
func (s *Service) UnsubscribeURL(tenant, message, address string) string {
	if s.PublicURL == "" || len(tenant) > 255 {
		return ""
	}
	hash, err := alphabet.DecodeString(strings.TrimPrefix(s.id(tenant, address), prefix))
	if err != nil {
		return ""
	}
	said := append(append([]byte{version}, hash...), byte(len(tenant)))
	said = append(append(said, tenant...), message...)
	return strings.TrimSuffix(s.PublicURL, "/") + "/unsubscribe/" + base64.RawURLEncoding.EncodeToString(append(said, s.sign(said)...))
}

func (s *Service) sign(said []byte) []byte {
	mac := hmac.New(sha256.New, s.LinkSecret)
	_, _ = mac.Write(said) // a hash never fails
	return mac.Sum(nil)[:signatureBytes]
}

// Unsubscriber implements ports.Suppressions.
func (s *Service) Unsubscriber(token string) (ports.Unsubscriber, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < tokenHead+signatureBytes {
		return ports.Unsubscriber{}, errToken
	}
	said, signature := raw[:len(raw)-signatureBytes], raw[len(raw)-signatureBytes:]
	rest := said[tokenHead:]
	n := int(said[tokenHead-1])
	if !hmac.Equal(signature, s.sign(said)) || said[0] != version || len(rest) < n {
		return ports.Unsubscriber{}, errToken
	}
	return ports.Unsubscriber{Tenant: string(rest[:n]), Message: string(rest[n:]), ID: prefix + spell(said[1:1+hashBytes])}, nil
}

// Unsubscribe implements ports.Suppressions.
func (s *Service) Unsubscribe(ctx context.Context, u ports.Unsubscriber, address string) error {
	_, err := s.change(ctx, u.Tenant, u.ID, func(v *suppression.Suppression) error {
		if !v.Assert(suppression.Unsubscribed, s.Clock.Now(), suppression.Source{Message: u.Message}) {
			return record.ErrUnchanged
		}
		v.Email = s.known(v, address)
		return nil
	})
	return err
}
