// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/version"
)

func (m *mount) infoPath() *framework.Path {
	return &framework.Path{
		Pattern: "info",
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{Callback: m.readInfo, Summary: "Version, live accounts, last rotation, last OpenAI error."},
		},
		HelpSynopsis:    "Version, live accounts per role, last rotation, last OpenAI error.",
		HelpDescription: "Errors are those since this plugin process started. OpenAI is not asked.",
	}
}

func (m *mount) readInfo(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	c, err := readConfig(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	live, err := m.ledger.perRole(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, n := range live {
		total += n
	}
	entries, err := m.ledger.idle(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	pending, overdue := 0, 0
	for _, a := range entries {
		switch {
		case a.pending():
			pending++
		case time.Now().After(a.ExpiresAt):
			overdue++
		}
	}
	data := map[string]any{
		"version":               version.Number,
		"configured":            c != nil,
		"live_accounts":         total,
		"live_accounts_by_role": live,
		"pending_accounts":      pending,
		"overdue_accounts":      overdue,
		"account_prefix":        nil,
		"last_rotated":          nil,
		"retired_admin_keys":    0,
		"admin_key_shared_with": 0,
		"last_rotation_error":   nil,
		"last_cleanup_error":    nil,
		"last_error":            nil,
	}
	if entry, err := req.Storage.Get(ctx, markKey); err != nil {
		return nil, err
	} else if entry != nil {
		data["account_prefix"] = string(entry.Value)
	}
	if c != nil {
		data["retired_admin_keys"] = len(c.Retired)
		data["admin_key_shared_with"] = adminKeysInUse.others(m, c.AdminAPIKey)
		if !c.LastRotated.IsZero() {
			data["last_rotated"] = c.LastRotated.UTC().Format(time.RFC3339)
		}
	}
	if rotation, cleanup := m.upkeep.errors(); rotation != "" || cleanup != "" {
		data["last_rotation_error"], data["last_cleanup_error"] = orNil(rotation), orNil(cleanup)
	}
	if f := m.link.LastFailure(); f != nil {
		data["last_error"] = map[string]any{"at": f.At.UTC().Format(time.RFC3339), "call": f.Call, "error": f.Text}
	}
	return &logical.Response{Data: data}, nil
}

func (u *upkeep) errors() (rotation, cleanup string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.rotationError, u.cleanupError
}

func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}
