// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/hashicorp/vault/sdk/logical"
)

// markKey holds the prefix of every account and admin key that this mount makes. It outlives the configuration, and
// is what lets tidy tell this mount's accounts from everybody else's.
const markKey = localPrefix + "mark"

var markPattern = regexp.MustCompile(`^rt-[a-z2-7]{8}-$`)

type markCache struct {
	mu    sync.Mutex
	value string
}

func (c *markCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = ""
}

// mark gives the mount's prefix and makes it when there is none yet.
func (m *mount) mark(ctx context.Context, storage logical.Storage) (string, error) {
	m.marks.mu.Lock()
	defer m.marks.mu.Unlock()
	if m.marks.value != "" {
		return m.marks.value, nil
	}
	entry, err := storage.Get(ctx, markKey)
	if err != nil {
		return "", fmt.Errorf("reading the mount's mark: %w", err)
	}
	if entry == nil {
		entry = &logical.StorageEntry{Key: markKey, Value: []byte("rt-" + randomWord(5) + "-")}
		if err := storage.Put(ctx, entry); err != nil {
			return "", fmt.Errorf("storing the mount's mark: %w", err)
		}
	}
	if !markPattern.Match(entry.Value) {
		return "", fmt.Errorf("the mount's stored mark is damaged")
	}
	m.marks.value = string(entry.Value)
	return m.marks.value, nil
}

// randomWord gives bytes of randomness in lower-case base32.
func randomWord(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}
