// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

func (m *mount) roleListPath() *framework.Path {
	return &framework.Path{
		Pattern: "roles/?",
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ListOperation: &framework.PathOperation{Callback: m.listRoles, Summary: "List the roles."},
		},
		HelpSynopsis: "List the roles.",
	}
}

func (m *mount) rolePath() *framework.Path {
	write := &framework.PathOperation{
		Callback: m.writeRole, Summary: "Create or change a role; fields left out keep their value.",
		ForwardPerformanceStandby: true, ForwardPerformanceSecondary: true,
	}
	return &framework.Path{
		Pattern: rolesPrefix + framework.GenericNameRegex("name"),
		Fields: map[string]*framework.FieldSchema{
			"name":                          {Type: framework.TypeString, Description: "Name of the role."},
			"project_id":                    {Type: framework.TypeString, Description: "OpenAI project (proj_...) that the accounts are made in."},
			"service_account_name_template": {Type: framework.TypeString, Default: defaultNameTemplate, Description: "Go template of an account's name, of RoleName, RandomSuffix and ProjectName."},
			"service_account_description":   {Type: framework.TypeString, Default: defaultDescription, Description: "A note for readers of this role; OpenAI has no such field."},
			"ttl":                           {Type: framework.TypeDurationSecond, Default: int(defaultTTL / time.Second), Description: "Life of a key. 0: the mount's default."},
			"max_ttl":                       {Type: framework.TypeDurationSecond, Default: int(defaultMaxTTL / time.Second), Description: "Longest life of a key, renewals included. 0: the mount's maximum."},
			"max_live":                      {Type: framework.TypeInt, Default: 0, Description: "How many live accounts the role may have. 0: no limit."},
		},
		ExistenceCheck: func(ctx context.Context, req *logical.Request, d *framework.FieldData) (bool, error) {
			r, err := readRole(ctx, req.Storage, d.Get("name").(string))
			return r != nil, err
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.CreateOperation: write,
			logical.UpdateOperation: write,
			logical.ReadOperation:   &framework.PathOperation{Callback: m.readRole, Summary: "Read a role."},
			logical.DeleteOperation: &framework.PathOperation{
				Callback: m.deleteRole, Summary: "Delete a role; its live keys stay until their leases end.",
				ForwardPerformanceStandby: true, ForwardPerformanceSecondary: true,
			},
		},
		HelpSynopsis:    "What keys are made of: project, name, life.",
		HelpDescription: "The project is read once at OpenAI when a role is written: it must exist and be active.",
	}
}

func (m *mount) listRoles(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	names, err := req.Storage.List(ctx, rolesPrefix)
	if err != nil {
		return nil, err
	}
	return logical.ListResponse(names), nil
}

func (m *mount) readRole(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	r, err := readRole(ctx, req.Storage, d.Get("name").(string))
	if err != nil || r == nil {
		return nil, err
	}
	return &logical.Response{Data: r.show()}, nil
}

func (m *mount) deleteRole(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	return nil, req.Storage.Delete(ctx, rolesPrefix+d.Get("name").(string))
}

func (m *mount) writeRole(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	name := d.Get("name").(string)
	before, err := readRole(ctx, req.Storage, name)
	if err != nil {
		return nil, err
	}
	after := newRole()
	if before != nil {
		*after = *before
	}
	after.merge(d)
	if err := after.check(name); err != nil {
		return logical.ErrorResponse(err.Error()), nil
	}
	s, err := m.begin(ctx, req.Storage)
	if err == errNotConfigured {
		return notConfigured(req), nil
	}
	if err != nil {
		return nil, err
	}
	defer s.end()
	resp := &logical.Response{}
	project, err := m.projects.fetch(ctx, s, after.ProjectID)
	if bad, ok := errors.AsType[unusable](err); ok {
		return logical.ErrorResponse("error validating project: project_id: %s", bad), nil
	}
	switch {
	case err != nil && before != nil && before.ProjectID == after.ProjectID:
		resp.AddWarning("the project could not be checked again: " + err.Error())
		project.Name = after.ProjectID
	case err != nil:
		return nil, fmt.Errorf("error validating project: %w", err)
	}
	mark, err := m.mark(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	if _, err := accountName(after.NameTemplate, mark, nameParts{name, newSuffix(), project.Name}); err != nil {
		return logical.ErrorResponse(err.Error()), nil
	}
	if max := m.System().MaxLeaseTTL(); after.TTL > max || after.MaxTTL > max {
		resp.AddWarning(fmt.Sprintf("the mount's maximum lease ttl of %s is shorter than this role's times and cuts them", max))
	}
	entry, err := logical.StorageEntryJSON(rolesPrefix+name, after)
	if err != nil {
		return nil, err
	}
	if err := req.Storage.Put(ctx, entry); err != nil {
		return nil, err
	}
	if len(resp.Warnings) == 0 {
		return nil, nil
	}
	return resp, nil
}

// merge takes over the fields that were sent.
func (r *role) merge(d *framework.FieldData) {
	if v, ok := d.GetOk("project_id"); ok {
		r.ProjectID = strings.TrimSpace(v.(string))
	}
	if v, ok := d.GetOk("service_account_name_template"); ok {
		r.NameTemplate = v.(string)
	}
	if v, ok := d.GetOk("service_account_description"); ok {
		r.Description = v.(string)
	}
	if v, ok := d.GetOk("ttl"); ok {
		r.TTL = time.Duration(v.(int)) * time.Second
	}
	if v, ok := d.GetOk("max_ttl"); ok {
		r.MaxTTL = time.Duration(v.(int)) * time.Second
	}
	if v, ok := d.GetOk("max_live"); ok {
		r.MaxLive = v.(int)
	}
}
