// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

const accountsPrefix = localPrefix + "accounts/"

// account is one entry of the ledger. It is written before the account is made at OpenAI (ID is empty then), completed
// before the lease is handed out, and removed only after OpenAI has confirmed the deletion.
type account struct {
	Ref       string    `json:"-"`
	Role      string    `json:"role"`
	ProjectID string    `json:"project_id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	ID        string    `json:"id,omitempty"`
	KeyID     string    `json:"key_id,omitempty"`
	// ExpiresAt is when its lease ends at the latest.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// pending tells that it is not known whether OpenAI has made the account.
func (a account) pending() bool { return a.ID == "" }

// ledger knows every account that this mount may have at OpenAI. The server keeps leases to itself, so this is what
// limits, clean-up and reports rest on. It lives in storage and is held in memory once it has been read.
type ledger struct {
	mu      sync.Mutex
	entries map[string]account
	roles   map[string]int
	// busy are the entries that a running request works on: clean-up leaves them alone.
	busy map[string]bool
}

// full says that a role has as many live accounts as it may have.
type full struct{ live int }

func (f full) Error() string { return fmt.Sprintf("%d live accounts", f.live) }

// drop forgets what was read from storage.
func (l *ledger) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// read fills the ledger from storage; the caller holds mu.
func (l *ledger) read(ctx context.Context, storage logical.Storage) error {
	if l.entries != nil {
		return nil
	}
	refs, err := storage.List(ctx, accountsPrefix)
	if err != nil {
		return fmt.Errorf("listing the ledger: %w", err)
	}
	entries, roles := make(map[string]account, len(refs)), map[string]int{}
	for _, ref := range refs {
		entry, err := storage.Get(ctx, accountsPrefix+ref)
		if err != nil {
			return fmt.Errorf("reading the ledger: %w", err)
		}
		if entry == nil {
			continue
		}
		var a account
		if err := entry.DecodeJSON(&a); err != nil {
			return fmt.Errorf("entry %s of the ledger is damaged: %w", ref, err)
		}
		a.Ref = ref
		entries[ref] = a
		roles[a.Role]++
	}
	l.entries, l.roles = entries, roles
	if l.busy == nil {
		l.busy = map[string]bool{}
	}
	return nil
}

func (l *ledger) put(ctx context.Context, storage logical.Storage, a account) error {
	entry, err := logical.StorageEntryJSON(accountsPrefix+a.Ref, a)
	if err != nil {
		return err
	}
	return storage.Put(ctx, entry)
}

// reserve writes the entry of an account that is about to be made, unless its role has maxLive (0: no limit) already.
// The entry is busy until release.
func (l *ledger) reserve(ctx context.Context, storage logical.Storage, a account, maxLive int) error {
	l.mu.Lock()
	if err := l.read(ctx, storage); err != nil {
		l.mu.Unlock()
		return err
	}
	if live := l.roles[a.Role]; maxLive > 0 && live >= maxLive {
		l.mu.Unlock()
		return full{live}
	}
	l.entries[a.Ref] = a
	l.roles[a.Role]++
	l.busy[a.Ref] = true
	l.mu.Unlock()
	if !writeAhead {
		return nil
	}
	if err := l.put(ctx, storage, a); err != nil {
		// The write may have reached storage all the same; a pending entry without an account does no harm there.
		l.remove(a.Ref)
		l.release(a.Ref)
		return fmt.Errorf("storing the write-ahead entry: %w", err)
	}
	return nil
}

// complete stores an entry that is known better now: the account has been made, or its lease is longer.
func (l *ledger) complete(ctx context.Context, storage logical.Storage, a account) error {
	l.mu.Lock()
	if err := l.read(ctx, storage); err != nil {
		l.mu.Unlock()
		return err
	}
	if _, known := l.entries[a.Ref]; !known {
		l.mu.Unlock()
		return errors.New("the account has been deleted")
	}
	l.entries[a.Ref] = a
	l.mu.Unlock()
	if err := l.put(ctx, storage, a); err != nil {
		return fmt.Errorf("storing the ledger entry: %w", err)
	}
	return nil
}

// forget removes the entry of an account that is gone at OpenAI. When storage fails the entry stays there, and the
// next clean-up finds that OpenAI does not know the account.
func (l *ledger) forget(ctx context.Context, storage logical.Storage, ref string) error {
	if err := storage.Delete(ctx, accountsPrefix+ref); err != nil {
		return fmt.Errorf("removing the ledger entry: %w", err)
	}
	l.remove(ref)
	return nil
}

func (l *ledger) remove(ref string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, known := l.entries[ref]; known {
		delete(l.entries, ref)
		if l.roles[a.Role]--; l.roles[a.Role] == 0 {
			delete(l.roles, a.Role)
		}
	}
}

func (l *ledger) release(ref string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, ref)
}

// get gives one entry; known is false when the account is gone.
func (l *ledger) get(ctx context.Context, storage logical.Storage, ref string) (a account, known bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.read(ctx, storage); err != nil {
		return account{}, false, err
	}
	a, known = l.entries[ref]
	return a, known, nil
}

// idle gives the entries that no running request works on, oldest first.
func (l *ledger) idle(ctx context.Context, storage logical.Storage) ([]account, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.read(ctx, storage); err != nil {
		return nil, err
	}
	var all []account
	for ref, a := range l.entries {
		if !l.busy[ref] {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b account) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Ref, b.Ref)) })
	return all, nil
}

// known gives the ids of all accounts and the names of those whose id is not known.
func (l *ledger) known(ctx context.Context, storage logical.Storage) (ids, names map[string]bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.read(ctx, storage); err != nil {
		return nil, nil, err
	}
	ids, names = map[string]bool{}, map[string]bool{}
	for _, a := range l.entries {
		if a.pending() {
			names[a.Name] = true
		} else {
			ids[a.ID] = true
		}
	}
	return ids, names, nil
}

// count gives how many accounts there may be at OpenAI.
func (l *ledger) count(ctx context.Context, storage logical.Storage) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.read(ctx, storage); err != nil {
		return 0, err
	}
	return len(l.entries), nil
}

// perRole gives the same by role.
func (l *ledger) perRole(ctx context.Context, storage logical.Storage) (map[string]int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.read(ctx, storage); err != nil {
		return nil, err
	}
	return maps.Clone(l.roles), nil
}
