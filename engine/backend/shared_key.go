// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// adminKeysInUse lets the mounts that one plugin process serves notice that they share an admin key: a rotation on
// one of them would cut the others off. It keeps keyed digests only.
var adminKeysInUse = newKeyClaims()

type keyClaims struct {
	mu      sync.Mutex
	salt    []byte
	claimed map[*mount][sha256.Size]byte
}

func newKeyClaims() *keyClaims {
	salt := make([]byte, 32)
	rand.Read(salt)
	return &keyClaims{salt: salt, claimed: map[*mount][sha256.Size]byte{}}
}

func (k *keyClaims) digest(key secret) (d [sha256.Size]byte) {
	mac := hmac.New(sha256.New, k.salt)
	mac.Write([]byte(key))
	mac.Sum(d[:0])
	return d
}

func (k *keyClaims) claim(m *mount, key secret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.claimed[m] = k.digest(key)
}

func (k *keyClaims) release(m *mount) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.claimed, m)
}

// others counts the mounts other than m that use the key.
func (k *keyClaims) others(m *mount, key secret) int {
	d := k.digest(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for other, theirs := range k.claimed {
		if other != m && theirs == d {
			n++
		}
	}
	return n
}
