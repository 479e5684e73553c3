// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/openai"
)

const (
	keySecretType = "openai_api_key"
	// revokeBudget is how long one revocation repeats a deletion that OpenAI throttles or fails; after it, the server
	// tries again by itself.
	revokeBudget = 25 * time.Second
)

func (m *mount) keySecret() *framework.Secret {
	return &framework.Secret{
		Type: keySecretType,
		Fields: map[string]*framework.FieldSchema{
			"api_key":            {Type: framework.TypeString, Description: "The OpenAI key."},
			"api_key_id":         {Type: framework.TypeString, Description: "Id of the key."},
			"service_account":    {Type: framework.TypeString, Description: "Name of the service account."},
			"service_account_id": {Type: framework.TypeString, Description: "Id of the service account."},
		},
		Renew:  m.renewKey,
		Revoke: m.revokeKey,
	}
}

func internal(req *logical.Request, field string) string {
	value, _ := req.Secret.InternalData[field].(string)
	return value
}

// renewKey lengthens a lease within the role's max_ttl, counted from its issue.
func (m *mount) renewKey(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	name := internal(req, "role")
	r, err := readRole(ctx, req.Storage, name)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return logical.ErrorResponse("role %q does not exist any more: its leases cannot be renewed", name), nil
	}
	a, known, err := m.ledger.get(ctx, req.Storage, internal(req, "ref"))
	if err != nil {
		return nil, err
	}
	if !known {
		return logical.ErrorResponse("the key of this lease has been deleted: read new credentials"), nil
	}
	t := r.terms(m.System(), 0)
	end := time.Now().Add(max(t.ttl, req.Secret.Increment))
	if last := req.Secret.IssueTime.Add(t.max); !req.Secret.IssueTime.IsZero() && end.After(last) {
		end = last
	}
	if end.After(a.ExpiresAt) {
		a.ExpiresAt = end.UTC()
		if err := m.ledger.complete(ctx, req.Storage, a); err != nil {
			return nil, err
		}
	}
	req.Secret.TTL, req.Secret.MaxTTL = t.ttl, t.max
	return &logical.Response{Secret: req.Secret}, nil
}

// revokeKey deletes the account of a lease.
func (m *mount) revokeKey(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	ref, project, id := internal(req, "ref"), internal(req, "project_id"), internal(req, "service_account_id")
	if project == "" || id == "" {
		return nil, errors.New("the lease does not say which account it is for")
	}
	if ref != "" {
		// An entry leaves the ledger only after OpenAI has confirmed the deletion. With unreadable storage (a server
		// being sealed) the deletion goes on: the key must die all the same.
		if _, known, err := m.ledger.get(ctx, req.Storage, ref); err == nil && !known {
			return nil, nil
		}
	}
	s, err := m.begin(ctx, req.Storage)
	if err == errNotConfigured {
		return nil, fmt.Errorf("%w: write %sconfig again, then the lease can be revoked", err, req.MountPoint)
	}
	if err != nil {
		return nil, err
	}
	defer s.end()
	if err := openai.Retry(ctx, revokeBudget, func() error { return s.client.DeleteServiceAccount(ctx, project, id) }); err != nil {
		return nil, fmt.Errorf("error deleting service account: %w", err)
	}
	if ref != "" {
		if err := m.ledger.forget(ctx, req.Storage, ref); err != nil {
			m.Logger().Warn("an account is deleted but still in the ledger; the next clean-up removes it", "account", id, "error", err)
		}
	}
	return nil, nil
}
