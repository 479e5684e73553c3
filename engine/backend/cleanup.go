// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/openai"
)

const (
	// pendingAge is when a creation without an outcome can no longer take effect.
	pendingAge = 3 * openai.CallTimeout
	// overdueGrace leaves the server time to revoke a lease by itself: its last try is about nine minutes after the first.
	overdueGrace = 10 * time.Minute
	deleteBudget = 10 * time.Second
)

// deleteByName deletes the account that a pending entry stands for, if OpenAI has made it.
func (m *mount) deleteByName(ctx context.Context, storage logical.Storage, s *session, a account) (found bool, err error) {
	listed, err := s.client.ServiceAccounts(ctx, a.ProjectID)
	if openai.Gone(err) {
		return true, nil // the project is gone, and all of its accounts with it
	}
	if err != nil {
		return false, err
	}
	return m.deleteNamed(ctx, storage, s, a, listed)
}

func (m *mount) deleteNamed(ctx context.Context, storage logical.Storage, s *session, a account, listed []openai.ServiceAccount) (found bool, err error) {
	ids, _, err := m.ledger.known(ctx, storage)
	if err != nil {
		// Without the ledger a name is all there is; it is unique by its random suffix.
		ids = nil
	}
	for _, candidate := range listed {
		if candidate.Name != a.Name || ids[candidate.ID] {
			continue
		}
		found = true
		if err := openai.Retry(ctx, deleteBudget, func() error {
			return s.client.DeleteServiceAccount(ctx, a.ProjectID, candidate.ID)
		}); err != nil {
			return found, err
		}
		m.Logger().Info("deleted an account whose creation was never completed", "account", candidate.ID, "name", a.Name)
	}
	return found, nil
}

// settle ends the pending entries that are at least age old: their accounts are deleted if OpenAI has made them.
func (m *mount) settle(ctx context.Context, storage logical.Storage, s *session, age time.Duration) error {
	entries, err := m.ledger.idle(ctx, storage)
	if err != nil {
		return err
	}
	byProject := map[string][]account{}
	for _, a := range entries {
		if a.pending() && time.Since(a.CreatedAt) >= age {
			byProject[a.ProjectID] = append(byProject[a.ProjectID], a)
		}
	}
	var failed error
	for project, pending := range byProject {
		listed, err := s.client.ServiceAccounts(ctx, project)
		if err != nil && !openai.Gone(err) {
			failed = errors.Join(failed, fmt.Errorf("settling %d accounts of %s: %w", len(pending), project, err))
			continue
		}
		for _, a := range pending {
			_, err := m.deleteNamed(ctx, storage, s, a, listed)
			if err == nil {
				err = m.ledger.forget(ctx, storage, a.Ref)
			}
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// deleteOverdue deletes the accounts whose lease must have ended: it was never registered, or the server gave it up.
func (m *mount) deleteOverdue(ctx context.Context, storage logical.Storage, s *session) error {
	entries, err := m.ledger.idle(ctx, storage)
	if err != nil {
		return err
	}
	var overdue []account
	for _, a := range entries {
		if !a.pending() && time.Since(a.ExpiresAt) > overdueGrace {
			overdue = append(overdue, a)
		}
	}
	if len(overdue) > 0 {
		m.Logger().Warn("deleting accounts whose leases have ended without a revocation", "accounts", len(overdue))
	}
	return m.deleteAccounts(ctx, storage, s, overdue)
}

// deleteAll deletes every account that this mount may have at OpenAI and that no running request is making.
func (m *mount) deleteAll(ctx context.Context, storage logical.Storage, s *session) error {
	if err := m.settle(ctx, storage, s, 0); err != nil {
		return err
	}
	entries, err := m.ledger.idle(ctx, storage)
	if err != nil {
		return err
	}
	return m.deleteAccounts(ctx, storage, s, slices.DeleteFunc(entries, account.pending))
}

// deleteAccounts deletes accounts at OpenAI, several at once, and forgets them. It stops at the first failure.
func (m *mount) deleteAccounts(ctx context.Context, storage logical.Storage, s *session, accounts []account) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan account)
	var workers sync.WaitGroup
	for range min(callsAtOnce, len(accounts)) {
		workers.Go(func() {
			for a := range queue {
				err := openai.Retry(ctx, deleteBudget, func() error { return s.client.DeleteServiceAccount(ctx, a.ProjectID, a.ID) })
				if err == nil {
					err = m.ledger.forget(ctx, storage, a.Ref)
				}
				if err != nil {
					cancel(fmt.Errorf("account %s: %w", a.ID, err))
				}
			}
		})
	}
	for _, a := range accounts {
		select {
		case queue <- a:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}
