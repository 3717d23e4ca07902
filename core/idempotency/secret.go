package idempotency

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Secret is a secret of the installation. Under it, what is kept of keys and requests tells nobody else
// what they said. A plain digest does: whoever has a copy of the store can compare it with the digests
// of a million candidates.
type Secret []byte

// concealed begins what was made under a Secret. A plain digest has hexadecimal digits alone.
const concealed = "hmac:"

// Conceal returns the key with its fingerprint concealed. It still matches the plain fingerprint of the
// same request, which an earlier version has stored.
func (s Secret) Conceal(k Key) Key {
	if k.Empty() {
		return k
	}
	k.plain, k.Fingerprint = k.Fingerprint, s.Fingerprint(k.Fingerprint)
	return k
}

// Fingerprint conceals a fingerprint. One that is concealed, or empty, is returned as it is.
func (s Secret) Fingerprint(fingerprint string) string {
	if fingerprint == "" || strings.HasPrefix(fingerprint, concealed) {
		return fingerprint
	}
	return s.conceal("fingerprint", fingerprint)
}

// Scoped conceals the digest in a scoped key. A key that is concealed, or empty, is returned as it is.
func (s Secret) Scoped(key string) string {
	at := strings.LastIndexByte(key, '|') + 1
	if at == 0 || strings.HasPrefix(key[at:], concealed) {
		return key
	}
	return key[:at] + s.conceal("key", key)
}

func (s Secret) conceal(use, text string) string {
	mac := hmac.New(sha256.New, s)
	mac.Write([]byte(use + "\x00" + text))
	return concealed + hex.EncodeToString(mac.Sum(nil))
}
