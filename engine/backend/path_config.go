// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/openai"
)

func (m *mount) configPath() *framework.Path {
	write := &framework.PathOperation{
		Callback: m.writeConfig, Summary: "Set the organization and its admin key; fields left out keep their value.",
		ForwardPerformanceStandby: true, ForwardPerformanceSecondary: true,
	}
	return &framework.Path{
		Pattern: "config",
		Fields: map[string]*framework.FieldSchema{
			"admin_api_key":              {Type: framework.TypeString, Description: "Admin API key of the organization. Never returned.", DisplayAttrs: &framework.DisplayAttributes{Sensitive: true}},
			"admin_api_key_id":           {Type: framework.TypeString, Description: "Id of that key; a rotation deletes the key with this id."},
			"organization_id":            {Type: framework.TypeString, Description: "Organization id (org-...)."},
			"api_endpoint":               {Type: framework.TypeString, Default: defaultEndpoint, Description: "Base URL of the OpenAI API."},
			"allow_insecure_endpoint":    {Type: framework.TypeBool, Default: false, Description: "Permit an http api_endpoint. For tests only: the admin key travels in clear."},
			"rotation_period":            {Type: framework.TypeDurationSecond, Default: 0, Description: "Rotate the admin key this long after the last rotation. 0: never."},
			"rotation_schedule":          {Type: framework.TypeString, Default: "", Description: "Rotate the admin key on this cron schedule (UTC). Not together with rotation_period."},
			"rotation_window":            {Type: framework.TypeDurationSecond, Default: 0, Description: "How late a scheduled rotation may still run. 0: at any time."},
			"rotation_policy":            {Type: framework.TypeString, Default: "", Description: "Must be empty: rotation policies belong to Vault Enterprise's rotation manager."},
			"disable_automated_rotation": {Type: framework.TypeBool, Default: false, Description: "Stop periodic rotation and keep its settings."},
			"reconcile_period":           {Type: framework.TypeDurationSecond, Default: int(defaultReconcilePeriod / time.Second), Description: "How often accounts of this mount without a lease are looked for. 0: never."},
			"force":                      {Type: framework.TypeBool, Query: true, Default: false, Description: "On delete: delete all live accounts at OpenAI first."},
		},
		ExistenceCheck: func(ctx context.Context, req *logical.Request, _ *framework.FieldData) (bool, error) {
			c, err := readConfig(ctx, req.Storage)
			return c != nil, err
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.CreateOperation: write,
			logical.UpdateOperation: write,
			logical.ReadOperation:   &framework.PathOperation{Callback: m.readConfig, Summary: "Read the configuration, without the key."},
			logical.DeleteOperation: &framework.PathOperation{
				Callback: m.deleteConfig, Summary: "Remove the configuration; refused while accounts are live, unless force=true.",
				ForwardPerformanceStandby: true, ForwardPerformanceSecondary: true,
			},
		},
		HelpSynopsis:    "The organization, its admin key, and how that key is rotated.",
		HelpDescription: "A key that OpenAI refuses is not stored. When OpenAI cannot be asked, it is stored with a warning.",
	}
}

func (m *mount) readConfig(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	c, err := readConfig(ctx, req.Storage)
	if err != nil || c == nil {
		return nil, err
	}
	return &logical.Response{Data: c.show()}, nil
}

func (m *mount) writeConfig(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	m.rewriting.Lock()
	defer m.rewriting.Unlock()
	before, err := readConfig(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	after := &config{APIEndpoint: defaultEndpoint, ReconcilePeriod: defaultReconcilePeriod, WrittenAt: time.Now()}
	if before != nil {
		after = before.copy()
	}
	if policy := d.Get("rotation_policy").(string); policy != "" {
		return logical.ErrorResponse("rotation_policy must be empty: policies belong to Vault Enterprise's rotation manager; " +
			"this engine retries a failed rotation by itself"), nil
	}
	after.merge(d)
	if err := after.check(); err != nil {
		return logical.ErrorResponse(err.Error()), nil
	}
	if before != nil && before.OrganizationID != after.OrganizationID {
		live, err := m.ledger.count(ctx, req.Storage)
		if err != nil {
			return nil, err
		}
		if live > 0 {
			return logical.ErrorResponse("organization_id cannot change while %d accounts of %s are live: they could not be deleted any more; "+
				"revoke them first (bao lease revoke -sync -prefix %screds/)", live, before.OrganizationID, req.MountPoint), nil
		}
	}
	resp := &logical.Response{}
	if before == nil || before.identity() != after.identity() {
		if refusal := m.checkAdminKey(ctx, req, after, resp); refusal != nil {
			return refusal, nil
		}
	}
	if before != nil && before.AdminAPIKey != after.AdminAPIKey && before.AdminAPIKeyID == after.AdminAPIKeyID {
		resp.AddWarning("admin_api_key was changed but admin_api_key_id was not: a rotation deletes the key with that id")
	}
	if before != nil && rotationChanged(before, after) {
		after.WrittenAt = time.Now()
	}
	// A key that is in use again must not be deleted as a leftover of a rotation.
	after.Retired = slices.DeleteFunc(after.Retired, func(id string) bool { return id == after.AdminAPIKeyID })
	if n := adminKeysInUse.others(m, after.AdminAPIKey); n > 0 {
		resp.AddWarning(sharedWarning(n))
	}
	if !strings.HasPrefix(string(after.AdminAPIKey), "sk-admin") {
		resp.AddWarning(`admin_api_key does not begin with "sk-admin": only an admin API key can manage service accounts`)
	}
	if err := after.write(ctx, req.Storage); err != nil {
		return nil, fmt.Errorf("storing the configuration: %w", err)
	}
	m.replace(after)
	m.projects.clear()
	if len(resp.Warnings) == 0 {
		return nil, nil
	}
	return resp, nil
}

func sharedWarning(n int) string {
	return fmt.Sprintf("%d other mount(s) use the same admin_api_key: a rotation here would cut them off, and their keys could not be revoked; "+
		"give each mount an admin key of its own", n)
}

func rotationChanged(a, b *config) bool {
	return a.RotationPeriod != b.RotationPeriod || a.RotationSchedule != b.RotationSchedule ||
		a.RotationWindow != b.RotationWindow || a.DisableRotation != b.DisableRotation
}

// identity is what a check of the admin key depends on.
func (c *config) identity() [4]string {
	return [4]string{string(c.AdminAPIKey), c.AdminAPIKeyID, c.OrganizationID, c.APIEndpoint}
}

// merge takes over the fields that were sent.
func (c *config) merge(d *framework.FieldData) {
	text := func(field string, to *string) {
		if v, ok := d.GetOk(field); ok {
			*to = v.(string)
		}
	}
	duration := func(field string, to *time.Duration) {
		if v, ok := d.GetOk(field); ok {
			*to = time.Duration(v.(int)) * time.Second
		}
	}
	flag := func(field string, to *bool) {
		if v, ok := d.GetOk(field); ok {
			*to = v.(bool)
		}
	}
	text("admin_api_key", (*string)(&c.AdminAPIKey))
	text("admin_api_key_id", &c.AdminAPIKeyID)
	text("organization_id", &c.OrganizationID)
	text("api_endpoint", &c.APIEndpoint)
	if c.APIEndpoint == "" {
		c.APIEndpoint = defaultEndpoint
	}
	c.APIEndpoint = strings.TrimRight(c.APIEndpoint, "/")
	flag("allow_insecure_endpoint", &c.AllowInsecureEndpoint)
	duration("rotation_period", &c.RotationPeriod)
	text("rotation_schedule", &c.RotationSchedule)
	duration("rotation_window", &c.RotationWindow)
	flag("disable_automated_rotation", &c.DisableRotation)
	duration("reconcile_period", &c.ReconcilePeriod)
}

// checkAdminKey asks OpenAI whether key, id and organization belong together. It answers with a refusal only when
// OpenAI said no; an OpenAI that cannot be asked must not stop an operator from repairing a configuration.
func (m *mount) checkAdminKey(ctx context.Context, req *logical.Request, c *config, resp *logical.Response) *logical.Response {
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := openai.NewClient(m.link, c.APIEndpoint, c.OrganizationID, string(c.AdminAPIKey))
	key, err := client.AdminKey(bounded, c.AdminAPIKeyID)
	switch {
	case openai.Refused(err):
		return logical.ErrorResponse("admin_api_key was refused by OpenAI for organization %s: %s; nothing was stored: "+
			"check admin_api_key and organization_id", c.OrganizationID, err)
	case openai.Gone(err):
		resp.AddWarning(fmt.Sprintf("OpenAI knows no admin key with admin_api_key_id %q: a rotation could not delete the old key", c.AdminAPIKeyID))
	case err != nil:
		resp.AddWarning("admin_api_key could not be checked: " + err.Error())
	default:
		mark, err := m.mark(ctx, req.Storage)
		if owner := markOf(key.Name); err == nil && owner != "" && owner != mark {
			resp.AddWarning(fmt.Sprintf("this admin key was made by a rotation of another mount (%s): "+
				"a rotation on either mount would cut the other off; give each mount an admin key of its own", strings.TrimSuffix(owner, "-")))
		}
	}
	return nil
}

func (m *mount) deleteConfig(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	m.rewriting.Lock()
	defer m.rewriting.Unlock()
	s, err := m.begin(ctx, req.Storage)
	if err == errNotConfigured {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	live, err := m.ledger.count(ctx, req.Storage)
	if err != nil {
		s.end()
		return nil, err
	}
	if live > 0 && !d.Get("force").(bool) {
		s.end()
		return logical.ErrorResponse("config cannot be deleted: %d accounts are live, and without it their keys could never be revoked; "+
			"revoke them first (bao lease revoke -sync -prefix %screds/) or delete with force=true, which deletes them at OpenAI", live, req.MountPoint), nil
	}
	err = m.deleteAll(ctx, req.Storage, s)
	resp := &logical.Response{}
	if err == nil {
		if left := m.settleRotation(ctx, req.Storage, s); left != nil {
			resp.AddWarning("a former admin key could not be deleted at OpenAI: " + left.Error())
		}
	}
	s.end()
	if err != nil {
		return nil, fmt.Errorf("config is kept: not every account could be deleted at OpenAI: %w", err)
	}
	if err := req.Storage.Delete(ctx, configKey); err != nil {
		return nil, err
	}
	m.replace(nil)
	// Credentials that were being made meanwhile have no configuration to be revoked with.
	s.calls.Wait()
	if err := m.deleteAll(ctx, req.Storage, s); err != nil {
		resp.AddWarning("an account that was made during the deletion is left: " + err.Error())
	}
	if len(resp.Warnings) == 0 {
		return nil, nil
	}
	return resp, nil
}
