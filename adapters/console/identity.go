package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"

	"github.com/gofiber/fiber/v2"
)

// Identity is what the admin listener and the commands of one installation know, and
// nobody else.
type Identity struct {
	// Token lets in whoever sends it as Authorization: Bearer.
	Token string
	// Key is that of the proof by which a gateway shows whose it is before it is sent
	// the token. It has nothing to do with the token.
	Key []byte
	// Store is the store that is served, or that a command is meant for:
	// "sqlite /srv/data/patchbay.db".
	Store string
}

// Proof shows what a gateway is to whoever sent a nonce, and tells nothing to others.
// It is for one connection, to the address at which the gateway is reached: a program
// that listens at another cannot pass it on as its own.
type Proof struct {
	Installation string `json:"installation"` // hexadecimal, as Store
	Store        string `json:"store"`        // the store, too, is the same
}

// Prove makes the proof for a nonce, at the address of the listener as the connection
// has it: 127.0.0.1:8081.
func (i Identity) Prove(nonce, address string) Proof {
	return Proof{
		Installation: i.mac("installation", nonce, address),
		Store:        i.mac("store", nonce, address, i.Store),
	}
}

func (i Identity) mac(parts ...string) string {
	mac := hmac.New(sha256.New, i.Key)
	for _, part := range parts {
		_, _ = io.WriteString(mac, hex.EncodeToString([]byte(part))+"\n") // a hash takes everything
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// Same reports whether both proofs are of one installation, and of one store.
func (p Proof) Same(other Proof) (installation, store bool) {
	return equal(p.Installation, other.Installation), equal(p.Store, other.Store)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// ProofPath is where a gateway proves what it is, with the parameter nonce.
const ProofPath = "/admin/proof"

// A nonce has 16 to 64 bytes, in hexadecimal.
const nonceLeast, nonceMost = 32, 128

func (c *Console) prove(f *fiber.Ctx) error {
	nonce := f.Query("nonce")
	if _, err := hex.DecodeString(nonce); err != nil || len(nonce) < nonceLeast || len(nonce) > nonceMost {
		return fiber.NewError(fiber.StatusBadRequest, "nonce must be 16 to 64 bytes in hexadecimal")
	}
	return f.JSON(c.Identity.Prove(nonce, f.Context().LocalAddr().String()))
}
