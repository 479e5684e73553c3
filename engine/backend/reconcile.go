// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/openai"
)

// orphan is an account at OpenAI that carries a mount's mark and has no lease.
type orphan struct {
	ID        string
	Name      string
	ProjectID string
	CreatedAt time.Time
}

// findOrphans lists the accounts with a mark, in all projects that roles or the ledger name, and gives those that the
// ledger does not know. seen is how many accounts carry the mark.
func (m *mount) findOrphans(ctx context.Context, storage logical.Storage, s *session, mark string) (orphans []orphan, seen int, err error) {
	projects, err := m.projectIDs(ctx, storage)
	if err != nil {
		return nil, 0, err
	}
	var failed error
	for _, project := range projects {
		listed, err := s.client.ServiceAccounts(ctx, project)
		if openai.Gone(err) {
			continue
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("listing the accounts of %s: %w", project, err))
			continue
		}
		// The ledger is read after the list: whatever was made before the list is in it.
		ids, names, err := m.ledger.known(ctx, storage)
		if err != nil {
			return nil, 0, err
		}
		for _, a := range listed {
			if !strings.HasPrefix(a.Name, mark) {
				continue
			}
			seen++
			if !ids[a.ID] && !names[a.Name] {
				orphans = append(orphans, orphan{a.ID, a.Name, project, time.Unix(a.CreatedAt, 0)})
			}
		}
	}
	slices.SortFunc(orphans, func(a, b orphan) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return orphans, seen, failed
}

func (m *mount) projectIDs(ctx context.Context, storage logical.Storage) ([]string, error) {
	names, err := storage.List(ctx, rolesPrefix)
	if err != nil {
		return nil, err
	}
	var projects []string
	for _, name := range names {
		r, err := readRole(ctx, storage, name)
		if err != nil {
			return nil, err
		}
		if r != nil {
			projects = append(projects, r.ProjectID)
		}
	}
	entries, err := m.ledger.idle(ctx, storage)
	if err != nil {
		return nil, err
	}
	for _, a := range entries {
		projects = append(projects, a.ProjectID)
	}
	slices.Sort(projects)
	return slices.Compact(projects), nil
}

// deleteOrphans deletes orphans at OpenAI and gives how many are gone.
func (m *mount) deleteOrphans(ctx context.Context, s *session, orphans []orphan) (deleted int, err error) {
	for _, o := range orphans {
		if err := openai.Retry(ctx, deleteBudget, func() error { return s.client.DeleteServiceAccount(ctx, o.ProjectID, o.ID) }); err != nil {
			return deleted, fmt.Errorf("account %s: %w", o.ID, err)
		}
		m.Logger().Info("deleted an account without a lease", "account", o.ID, "name", o.Name, "project", o.ProjectID)
		deleted++
	}
	return deleted, nil
}

// reconcile deletes the orphans that were already there in the run before: the first sight of one is the dry run.
func (m *mount) reconcile(ctx context.Context, storage logical.Storage, s *session) error {
	mark, err := m.mark(ctx, storage)
	if err != nil {
		return err
	}
	orphans, _, err := m.findOrphans(ctx, storage, s, mark)
	if err != nil {
		return err
	}
	sure := m.upkeep.confirmSuspects(orphans)
	_, err = m.deleteOrphans(ctx, s, sure)
	return err
}

// deleteUnknown deletes all orphans at first sight: the mount itself is going.
func (m *mount) deleteUnknown(ctx context.Context, storage logical.Storage, s *session) error {
	mark, err := m.mark(ctx, storage)
	if err != nil {
		return err
	}
	orphans, _, err := m.findOrphans(ctx, storage, s, mark)
	if err != nil {
		return err
	}
	_, err = m.deleteOrphans(ctx, s, orphans)
	return err
}
