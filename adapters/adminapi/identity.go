package adminapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"

	"github.com/gofiber/fiber/v2"
)

// Identity is known only to the admin listener and the commands of one installation.
type Identity struct {
	// Token authorizes a request that sends it as Authorization: Bearer.
	Token string
	// Key is the key of the proof that a gateway gives before it is sent the token. It is
	// independent of the token.
	Key []byte
	// Store is the store that is served, or that a command is meant for: "sqlite
	// /srv/data/patchbay.db".
	Store string
}

// Proof proves a gateway's identity to the client that sent a nonce, and reveals nothing to
// others. It is valid for one connection, to the address at which the gateway is reached,
// so a program that listens at another address cannot pass it on as its own.
type Proof struct {
	Installation string `json:"installation"` // hexadecimal, as is Store
	Store        string `json:"store"`        // proves that the store is the same, too
}

// Prove returns the proof for a nonce. address is the listener's address as the connection
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
		_, _ = io.WriteString(mac, hex.EncodeToString([]byte(part))+"\n") // a hash never fails
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// Same reports whether both proofs are from one installation, and for one store.
func (p Proof) Same(other Proof) (installation, store bool) {
	return equal(p.Installation, other.Installation), equal(p.Store, other.Store)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// ProofPath is the path at which a gateway proves its identity. It takes the parameter
// nonce.
const ProofPath = "/admin/proof"

// A nonce has 16 to 64 bytes, in hexadecimal.
const minNonce, maxNonce = 32, 128

func (c *Server) prove(f *fiber.Ctx) error {
	nonce := f.Query("nonce")
	if _, err := hex.DecodeString(nonce); err != nil || len(nonce) < minNonce || len(nonce) > maxNonce {
		return fiber.NewError(fiber.StatusBadRequest, "nonce must be 16 to 64 bytes in hexadecimal")
	}
	return f.JSON(c.Identity.Prove(nonce, f.Context().LocalAddr().String()))
}
