// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/stand"
)

// place is a mount without a server, on storage that can be made to fail.
type place struct {
	*testing.T
	*mount
	storage *storage
	system  *logical.StaticSystemView
	openai  *stand.OpenAI
}

// storage fails every write while broken.
type storage struct {
	logical.InmemStorage
	mu     sync.Mutex
	broken bool
	// last is how many writes still succeed before it breaks, when limited.
	last    int
	limited bool
	// written is told the key of every write that has succeeded.
	written func(key string)
}

var errBroken = errors.New("barrier is sealed")

func (s *storage) breakdown(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken, s.limited = broken, false
}

// breakdownAfter breaks it once so many writes have succeeded.
func (s *storage) breakdownAfter(writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.limited = writes, true
}

func (s *storage) state() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limited {
		s.broken = s.last == 0
		s.last = max(0, s.last-1)
	}
	if s.broken {
		return errBroken
	}
	return nil
}

func (s *storage) Put(ctx context.Context, e *logical.StorageEntry) error {
	if err := s.state(); err != nil {
		return err
	}
	if err := s.InmemStorage.Put(ctx, e); err != nil {
		return err
	}
	if s.written != nil {
		s.written(e.Key)
	}
	return nil
}

func (s *storage) Delete(ctx context.Context, key string) error {
	if err := s.state(); err != nil {
		return err
	}
	return s.InmemStorage.Delete(ctx, key)
}

func newPlace(t *testing.T) *place {
	openai, err := stand.StartOpenAI()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(openai.Close)
	p := &place{T: t, openai: openai, storage: &storage{}, system: &logical.StaticSystemView{
		DefaultLeaseTTLVal: 2 * time.Hour, MaxLeaseTTLVal: 48 * time.Hour,
	}}
	p.restart()
	return p
}

// restart gives the mount a new plugin process on the same storage.
func (p *place) restart() {
	p.Helper()
	if p.mount != nil {
		p.mount.Cleanup(p.Context())
	}
	b, err := Factory(p.Context(), &logical.BackendConfig{System: p.system, StorageView: p.storage})
	if err != nil {
		p.Fatal(err)
	}
	p.mount = b.(*mount)
	if err := p.Initialize(p.Context(), &logical.InitializationRequest{Storage: p.storage}); err != nil {
		p.Fatal(err)
	}
	m := p.mount
	p.Cleanup(func() { m.Cleanup(context.Background()) })
}

// Cleanup is that of the test; the mount has one of its own.
func (p *place) Cleanup(f func()) { p.T.Cleanup(f) }

func (p *place) ask(operation logical.Operation, path string, data map[string]any) (*logical.Response, error) {
	return p.HandleRequest(p.Context(), &logical.Request{
		Operation: operation, Path: path, Data: data, Storage: p.storage, MountPoint: "openai/",
	})
}

// must gives the answer of a request that succeeds; nil for an empty one.
func (p *place) must(operation logical.Operation, path string, data map[string]any) *logical.Response {
	p.Helper()
	resp, err := p.ask(operation, path, data)
	if err == nil && resp.IsError() {
		err = resp.Error()
	}
	if err != nil {
		p.Fatalf("%s %s: %v", operation, path, err)
	}
	return resp
}

// refused sends a request that must fail with a text.
func (p *place) refused(operation logical.Operation, path string, data map[string]any, text string) {
	p.Helper()
	resp, err := p.ask(operation, path, data)
	if err == nil && resp.IsError() {
		err = resp.Error()
	}
	if err == nil || !strings.Contains(err.Error(), text) {
		p.Errorf("%s %s %v: %v, want %q", operation, path, data, err, text)
	}
}

func (p *place) configured() *place {
	p.Helper()
	p.must(logical.UpdateOperation, "config", p.openai.Config())
	p.must(logical.UpdateOperation, "roles/agent", map[string]any{"project_id": stand.Project})
	return p
}

func (p *place) creds() *logical.Response {
	p.Helper()
	return p.must(logical.ReadOperation, "creds/agent", nil)
}

func (p *place) revoke(secret *logical.Secret) error {
	_, err := p.HandleRequest(p.Context(), &logical.Request{
		Operation: logical.RevokeOperation, Path: "creds/agent", Storage: p.storage, Secret: secret, MountPoint: "openai/",
	})
	return err
}

// tick is what the server does once a minute.
func (p *place) tick() error {
	_, err := p.HandleRequest(p.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: p.storage})
	return err
}

func (p *place) accounts(want int) {
	p.Helper()
	if have := p.openai.State().Accounts; len(have) != want {
		p.Errorf("%d accounts at OpenAI, want %d: %+v", len(have), want, have)
	}
}

// age makes every entry of the ledger older, as if time had passed.
func (p *place) age(by time.Duration) {
	p.Helper()
	entries, err := p.ledger.idle(p.Context(), p.storage)
	if err != nil {
		p.Fatal(err)
	}
	for _, a := range entries {
		a.CreatedAt = a.CreatedAt.Add(-by)
		if !a.pending() {
			a.ExpiresAt = a.ExpiresAt.Add(-by)
		}
		if err := p.ledger.complete(p.Context(), p.storage, a); err != nil {
			p.Fatal(err)
		}
	}
}

func with(base map[string]any, changes map[string]any) map[string]any {
	all := maps.Clone(base)
	maps.Copy(all, changes)
	return all
}
