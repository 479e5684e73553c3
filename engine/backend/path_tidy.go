// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

const defaultTidyAge = 5 * time.Minute

func (m *mount) tidyPath() *framework.Path {
	return &framework.Path{
		Pattern: "tidy",
		Fields: map[string]*framework.FieldSchema{
			"dry_run": {Type: framework.TypeBool, Default: true, Description: "Only report. Set it to false to delete."},
			"min_age": {Type: framework.TypeDurationSecond, Default: int(defaultTidyAge / time.Second), Description: "Leave younger accounts alone."},
			"prefix":  {Type: framework.TypeString, Description: "Look for the accounts of another, lost mount: its account_prefix (rt-xxxxxxxx-)."},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback: m.tidy, Summary: "Find, and on request delete, accounts of this mount without a lease.",
				ForwardPerformanceStandby: true,
			},
		},
		HelpSynopsis:    "Find, and on request delete, accounts of this mount without a lease.",
		HelpDescription: "Accounts are recognised by the mount's mark at the beginning of their name; others are never touched.",
	}
}

func (m *mount) tidy(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	dry, age := d.Get("dry_run").(bool), time.Duration(d.Get("min_age").(int))*time.Second
	if !dry {
		// Before the session begins: a rotation under way waits for sessions to end.
		if err := m.finishRotation(ctx, req.Storage); err != nil {
			return nil, err
		}
	}
	s, err := m.begin(ctx, req.Storage)
	if err == errNotConfigured {
		return notConfigured(req), nil
	}
	if err != nil {
		return nil, err
	}
	defer s.end()
	mark, err := m.mark(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	if prefix := d.Get("prefix").(string); prefix != "" {
		if !markPattern.MatchString(prefix) {
			return logical.ErrorResponse("prefix must be the account_prefix of a mount, such as rt-abcd2345-: "+
				"other names may belong to anybody (got %q)", prefix), nil
		}
		mark = prefix
	}
	entries, err := m.ledger.idle(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	unsettled := 0
	for _, a := range entries {
		if a.pending() && time.Since(a.CreatedAt) >= age {
			unsettled++
		}
	}
	if !dry {
		if err := m.settle(ctx, req.Storage, s, age); err != nil {
			return nil, err
		}
		if err := m.deleteOverdue(ctx, req.Storage, s); err != nil {
			return nil, err
		}
	}
	orphans, seen, err := m.findOrphans(ctx, req.Storage, s, mark)
	if err != nil {
		return nil, err
	}
	orphans = slices.DeleteFunc(orphans, func(o orphan) bool { return time.Since(o.CreatedAt) < age })
	deleted := 0
	if !dry {
		if deleted, err = m.deleteOrphans(ctx, s, orphans); err != nil {
			return nil, err
		}
	}
	listed := make([]map[string]any, len(orphans))
	for i, o := range orphans {
		listed[i] = map[string]any{
			"service_account_id": o.ID, "service_account": o.Name, "project_id": o.ProjectID,
			"created_at": o.CreatedAt.UTC().Format(time.RFC3339),
		}
	}
	return &logical.Response{Data: map[string]any{
		"dry_run": dry, "account_prefix": mark, "accounts_seen": seen, "orphans": listed,
		"unsettled": unsettled, "deleted": deleted,
	}}, nil
}
