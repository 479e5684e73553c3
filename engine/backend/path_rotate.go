// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

func (m *mount) rotatePath() *framework.Path {
	return &framework.Path{
		Pattern: "config/rotate",
		Fields: map[string]*framework.FieldSchema{
			"force": {Type: framework.TypeBool, Default: false, Description: "Rotate although another mount uses the same admin key."},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback: m.rotateNow, Summary: "Replace the admin key by a new one that only this mount knows.",
				ForwardPerformanceStandby: true, ForwardPerformanceSecondary: true,
			},
		},
		HelpSynopsis:    "Replace the admin key by a new one that only this mount knows.",
		HelpDescription: "The new key is checked before it is stored; the old one is deleted after the calls that use it have ended.",
	}
}

func (m *mount) rotateNow(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	m.rewriting.Lock()
	defer m.rewriting.Unlock()
	s, err := m.load(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return notConfigured(req), nil
	}
	resp := &logical.Response{}
	if n := adminKeysInUse.others(m, s.config.AdminAPIKey); n > 0 {
		if !d.Get("force").(bool) {
			return logical.ErrorResponse("%s (or rotate with force=true)", sharedWarning(n)), nil
		}
		resp.AddWarning(sharedWarning(n))
	}
	c, warnings, err := m.rotate(ctx, req.Storage)
	m.upkeep.rotated(err)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		resp.AddWarning(w)
	}
	resp.Data = map[string]any{
		"admin_api_key_id": c.AdminAPIKeyID,
		"last_rotated":     c.LastRotated.Format(time.RFC3339),
	}
	return resp, nil
}
