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
	// createBudget is how long a throttled creation is repeated.
	createBudget = 10 * time.Second
	// repairTime is what cleaning up after a failed request may take.
	repairTime = 20 * time.Second
)

func (m *mount) credsPath() *framework.Path {
	return &framework.Path{
		Pattern: "creds/" + framework.GenericNameRegex("name"),
		Fields: map[string]*framework.FieldSchema{
			"name": {Type: framework.TypeString, Description: "Name of the role."},
			"ttl":  {Type: framework.TypeDurationSecond, Query: true, Description: "Life of the key, instead of the role's ttl; cut to the role's max_ttl."},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{
				Callback: m.readCreds, Summary: "Make a service account and give its key under a lease.",
				ForwardPerformanceStandby: true,
			},
		},
		HelpSynopsis:    "A new OpenAI key that dies with its lease.",
		HelpDescription: "Each read makes a service account in the role's project. Revoking the lease deletes it.",
	}
}

func (m *mount) readCreds(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	name := d.Get("name").(string)
	s, err := m.begin(ctx, req.Storage)
	if err == errNotConfigured {
		return notConfigured(req), nil
	}
	if err != nil {
		return nil, err
	}
	defer s.end()
	r, err := readRole(ctx, req.Storage, name)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return logical.ErrorResponse("role %q does not exist", name), nil
	}
	asked, sent := d.GetOk("ttl")
	if sent && asked == 0 {
		return logical.ErrorResponse("ttl must be at least 1s; leave it out for the role's ttl"), nil
	}
	t := r.terms(m.System(), time.Duration(d.Get("ttl").(int))*time.Second)

	a, err := m.prepare(ctx, req, s, name, r)
	if bad, ok := errors.AsType[unusable](err); ok {
		return logical.ErrorResponse("role %q cannot be used: project_id: %s", name, bad), nil
	}
	if err != nil {
		return nil, err
	}
	a.ExpiresAt = a.CreatedAt.Add(t.ttl)
	if err := m.ledger.reserve(ctx, req.Storage, a, r.MaxLive); err != nil {
		if at, ok := errors.AsType[full](err); ok {
			return logical.ErrorResponse("role %q has %s, and its max_live is %d: revoke a lease of it (bao lease revoke) or raise max_live",
				name, at, r.MaxLive), nil
		}
		return nil, err
	}
	defer m.ledger.release(a.Ref)
	key, err := m.issue(ctx, req.Storage, s, &a)
	if err != nil {
		return nil, fmt.Errorf("error creating service account: %w", err)
	}
	resp := m.Secret(keySecretType).Response(map[string]any{
		"api_key":            key.Value,
		"api_key_id":         a.KeyID,
		"service_account":    a.Name,
		"service_account_id": a.ID,
	}, map[string]any{
		"api_key_id":         a.KeyID,
		"service_account_id": a.ID,
		"project_id":         a.ProjectID,
		"role":               name,
		"ref":                a.Ref,
	})
	resp.Secret.TTL, resp.Secret.MaxTTL = t.ttl, t.max
	for _, w := range t.warnings {
		resp.AddWarning(w)
	}
	return resp, nil
}

// prepare names the account that a request will make.
func (m *mount) prepare(ctx context.Context, req *logical.Request, s *session, roleName string, r *role) (account, error) {
	project, err := m.projects.get(ctx, s, r.ProjectID)
	if err != nil {
		return account{}, err
	}
	mark, err := m.mark(ctx, req.Storage)
	if err != nil {
		return account{}, err
	}
	name, err := accountName(r.NameTemplate, mark, nameParts{roleName, newSuffix(), project.Name})
	if err != nil {
		return account{}, err
	}
	return account{Ref: randomWord(15), Role: roleName, ProjectID: r.ProjectID, Name: name, CreatedAt: time.Now().UTC()}, nil
}

// issue makes the account and completes its ledger entry. When it fails, it has either undone everything or left the
// pending entry for the periodic clean-up.
func (m *mount) issue(ctx context.Context, storage logical.Storage, s *session, a *account) (*openai.Key, error) {
	var made openai.ServiceAccount
	err := openai.RetryUnmade(ctx, createBudget, func() (err error) {
		made, err = s.client.CreateServiceAccount(ctx, a.ProjectID, a.Name)
		return err
	})
	if err != nil {
		m.abandon(ctx, storage, s, *a, err)
		return nil, err
	}
	if made.Key == nil || made.Key.Value == "" || made.Key.ID == "" {
		m.undo(ctx, storage, s, *a, made.ID)
		return nil, errors.New("OpenAI made the account without a key; it was deleted again")
	}
	a.ID, a.KeyID = made.ID, made.Key.ID
	if err := m.ledger.complete(ctx, storage, *a); err != nil {
		m.undo(ctx, storage, s, *a, made.ID)
		return nil, err
	}
	if ctx.Err() != nil {
		// Nobody waits for this answer any more, so no lease would come of it.
		m.undo(ctx, storage, s, *a, made.ID)
		return nil, ctx.Err()
	}
	return made.Key, nil
}

// undo deletes an account that no lease will ever be given for.
func (m *mount) undo(ctx context.Context, storage logical.Storage, s *session, a account, id string) {
	ctx, cancel := afterwards(ctx, repairTime)
	defer cancel()
	err := openai.Retry(ctx, repairTime, func() error { return s.client.DeleteServiceAccount(ctx, a.ProjectID, id) })
	if err == nil {
		err = m.ledger.forget(ctx, storage, a.Ref)
	}
	if err != nil {
		m.Logger().Warn("an unused account is left for the next clean-up", "account", id, "error", err)
	}
}

// abandon deals with a creation that gave no account: gone for sure, or perhaps made and to be looked for.
func (m *mount) abandon(ctx context.Context, storage logical.Storage, s *session, a account, cause error) {
	ctx, cancel := afterwards(ctx, repairTime)
	defer cancel()
	settled := openai.Unmade(cause)
	var err error
	if !settled {
		var found bool
		found, err = m.deleteByName(ctx, storage, s, a)
		settled = err == nil && (found || openai.Final(cause))
	}
	if settled {
		err = m.ledger.forget(ctx, storage, a.Ref)
	}
	if err != nil {
		m.Logger().Warn("it is not known whether an account was made; the next clean-up looks again", "account", a.Name, "error", err)
	}
}
