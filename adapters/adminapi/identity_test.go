package adminapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"patchbay/adapters/adminapi"
)

const nonce = "00112233445566778899aabbccddeeff"

func TestProofIsValidForOneNonceAddressAndStore(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{})
	a := r.stranger(t, "GET", adminapi.ProofPath+"?nonce="+nonce, "")
	var proof adminapi.Proof
	if err := json.Unmarshal([]byte(a.body), &proof); err != nil || a.status != 200 {
		t.Fatalf("status = %d, want 200, %s, %v", a.status, a.body, err)
	}
	if strings.Contains(a.body, "srv") || strings.Contains(a.body, secret.Token) {
		t.Errorf("proof = %s, want neither the store nor the token in it", a.body)
	}
	otherKey, otherStore := secret, secret
	otherKey.Key, otherStore.Store = []byte("another"), "sqlite /srv/other.db"
	for _, row := range []struct {
		name                string
		with                adminapi.Proof
		installation, store bool
	}{
		{"the same", secret.Prove(nonce, r.host), true, true},
		{"another installation's", otherKey.Prove(nonce, r.host), false, false},
		{"another store's", otherStore.Prove(nonce, r.host), true, false},
		{"of an earlier nonce", secret.Prove(nonce[2:]+"00", r.host), false, false},
		{"of a gateway elsewhere, passed on by who listens here", secret.Prove(nonce, "127.0.0.1:1"), false, false},
	} {
		if installation, store := proof.Same(row.with); installation != row.installation || store != row.store {
			t.Errorf("%s: Same = %t, %t, want %t, %t", row.name, installation, store, row.installation, row.store)
		}
	}
	if installation, store := (adminapi.Proof{}).Same(secret.Prove(nonce, r.host)); installation || store {
		t.Errorf("Same of an empty proof = %t, %t, want false", installation, store)
	}
}

func TestProofRequiresANonce(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{})
	for _, wrong := range []string{"", "?nonce=", "?nonce=00", "?nonce=" + nonce[1:], "?nonce=" + nonce[2:] + "xx", "?nonce=" + strings.Repeat("0", 130)} {
		if a := r.stranger(t, "GET", adminapi.ProofPath+wrong, ""); a.status != 400 {
			t.Errorf("%s: status = %d, want 400, %s", wrong, a.status, a.body)
		}
	}
}
