// SPDX-License-Identifier: Apache-2.0

// Package backend is the secrets engine: one mount of it issues OpenAI service-account keys under leases.
package backend

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/openai"
	"pulumi-riptides/engine/version"
)

const (
	// callsAtOnce bounds what one mount asks of OpenAI at the same time.
	callsAtOnce = 16
	// localPrefix holds what belongs to this cluster alone, as leases do: it is not replicated.
	localPrefix = "local/"
)

// mount is one mount of the engine.
type mount struct {
	*framework.Backend
	link     *openai.Link
	ledger   ledger
	projects projectCache
	upkeep   upkeep
	marks    markCache

	// sessionMu guards current and keyCalls; rewriting serialises everything that replaces the stored configuration.
	sessionMu sync.RWMutex
	current   *session
	keyCalls  keyCalls
	rewriting sync.Mutex
}

// Factory makes the backend of a mount.
func Factory(ctx context.Context, config *logical.BackendConfig) (logical.Backend, error) {
	m := newMount()
	if err := m.Setup(ctx, config); err != nil {
		return nil, err
	}
	return m, nil
}

func newMount() *mount {
	m := &mount{link: openai.NewLink(callsAtOnce)}
	m.Backend = &framework.Backend{
		Help:           "Issues OpenAI service-account keys under leases: each key dies with its lease.",
		BackendType:    logical.TypeLogical,
		RunningVersion: "v" + version.Number,
		PathsSpecial: &logical.Paths{
			SealWrapStorage: []string{configKey},
			LocalStorage:    []string{localPrefix, framework.WALPrefix},
		},
		Paths: []*framework.Path{
			strict(m.configPath()),
			strict(m.rotatePath()),
			strict(m.roleListPath()),
			strict(m.rolePath()),
			strict(m.credsPath()),
			strict(m.tidyPath()),
			strict(m.infoPath()),
		},
		Secrets:        []*framework.Secret{m.keySecret()},
		InitializeFunc: m.initialize,
		PeriodicFunc:   m.periodic,
		Invalidate:     m.invalidate,
		Clean:          m.clean,
	}
	return m
}

// initialize loads the configuration early, so that mounts of one process know of each other's admin keys.
func (m *mount) initialize(ctx context.Context, req *logical.InitializationRequest) error {
	if _, err := m.load(ctx, req.Storage); err != nil {
		m.Logger().Warn("configuration cannot be read yet", "error", err)
	}
	return nil
}

// invalidate drops what another node has changed below this one.
func (m *mount) invalidate(_ context.Context, key string) {
	switch {
	case key == configKey:
		m.replace(nil)
	case strings.HasPrefix(key, accountsPrefix):
		m.ledger.drop()
	case key == markKey:
		m.marks.drop()
	}
}

func (m *mount) clean(context.Context) {
	m.replace(nil)
	m.link.Close()
}

// afterwards gives a context for work that must be finished although its request has ended.
func afterwards(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}
