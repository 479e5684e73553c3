// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/openai"
)

// session is a configuration with its client. Calls are counted, so that an admin key is deleted only after the last
// call that carries it has ended: sessions of one key, one after the other, share their count.
type session struct {
	config *config
	client *openai.Client
	calls  *sync.WaitGroup
}

// keyCalls counts the running calls that carry one admin key.
type keyCalls struct {
	key   secret
	calls *sync.WaitGroup
}

// errNotConfigured says that nothing can be asked of OpenAI; user-facing text is made by notConfigured.
var errNotConfigured = errors.New("the OpenAI secrets engine is not configured")

func notConfigured(req *logical.Request) *logical.Response {
	return logical.ErrorResponse("%s: write organization_id, admin_api_key and admin_api_key_id to %sconfig first",
		errNotConfigured, req.MountPoint)
}

// begin gives the session in force; every begin that gives one is ended by session.end.
// It is errNotConfigured when there is no configuration.
func (m *mount) begin(ctx context.Context, storage logical.Storage) (*session, error) {
	for {
		m.sessionMu.RLock()
		s := m.current
		if s != nil {
			s.calls.Add(1)
		}
		m.sessionMu.RUnlock()
		if s != nil {
			return s, nil
		}
		if s, err := m.load(ctx, storage); err != nil {
			return nil, err
		} else if s == nil {
			return nil, errNotConfigured
		}
	}
}

func (s *session) end() { s.calls.Done() }

// load reads the configuration into force unless there is one; nil when the mount is not configured.
func (m *mount) load(ctx context.Context, storage logical.Storage) (*session, error) {
	m.sessionMu.Lock()
	defer m.sessionMu.Unlock()
	if m.current != nil {
		return m.current, nil
	}
	c, err := readConfig(ctx, storage)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if c == nil {
		return nil, nil
	}
	m.current = m.open(c)
	return m.current, nil
}

// open makes a session; the caller holds sessionMu.
func (m *mount) open(c *config) *session {
	adminKeysInUse.claim(m, c.AdminAPIKey)
	if m.keyCalls.calls == nil || m.keyCalls.key != c.AdminAPIKey {
		m.keyCalls = keyCalls{c.AdminAPIKey, &sync.WaitGroup{}}
	}
	return &session{config: c, calls: m.keyCalls.calls, client: openai.NewClient(m.link, c.APIEndpoint, c.OrganizationID, string(c.AdminAPIKey))}
}

// replace puts a session (nil: none) into force and gives the former one, whose calls may still run.
func (m *mount) replace(c *config) *session {
	m.sessionMu.Lock()
	defer m.sessionMu.Unlock()
	former := m.current
	if c == nil {
		m.current = nil
		adminKeysInUse.release(m)
		return former
	}
	m.current = m.open(c)
	return former
}
