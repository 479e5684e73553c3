// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

const (
	rolesPrefix        = "roles/"
	defaultTTL         = time.Hour
	defaultMaxTTL      = 24 * time.Hour
	defaultDescription = "Service account created by Vault"
)

// role says what keys are made of.
type role struct {
	ProjectID    string        `json:"project_id"`
	NameTemplate string        `json:"service_account_name_template"`
	Description  string        `json:"service_account_description"`
	TTL          time.Duration `json:"ttl"`
	MaxTTL       time.Duration `json:"max_ttl"`
	MaxLive      int           `json:"max_live"`
}

func newRole() *role {
	return &role{NameTemplate: defaultNameTemplate, Description: defaultDescription, TTL: defaultTTL, MaxTTL: defaultMaxTTL}
}

func readRole(ctx context.Context, storage logical.Storage, name string) (*role, error) {
	entry, err := storage.Get(ctx, rolesPrefix+name)
	if err != nil || entry == nil {
		return nil, err
	}
	r := newRole()
	if err := entry.DecodeJSON(r); err != nil {
		return nil, fmt.Errorf("stored role %q is damaged: %w", name, err)
	}
	return r, nil
}

func (r *role) check(name string) error {
	switch {
	case r.ProjectID == "":
		return errors.New("project_id is required")
	case r.MaxTTL != 0 && r.TTL > r.MaxTTL:
		return errors.New("ttl cannot be greater than max_ttl")
	case r.MaxLive < 0:
		return errors.New("max_live must be 0 (no limit) or more")
	}
	return checkNameTemplate(r.NameTemplate, name)
}

// terms are the lease times that hold for one request.
type terms struct {
	ttl, max time.Duration
	warnings []string
}

// terms works out lease times: asked (0: not asked) or the role's ttl or the mount's default, within the role's max_ttl
// and the mount's maximum. Whatever is cut gets a warning.
func (r *role) terms(system logical.SystemView, asked time.Duration) terms {
	t := terms{ttl: r.TTL, max: system.MaxLeaseTTL()}
	limit := "the mount's maximum lease ttl"
	if r.MaxTTL > 0 && r.MaxTTL < t.max {
		t.max, limit = r.MaxTTL, "the role's max_ttl"
	}
	source := "the role's ttl"
	switch {
	case asked > 0:
		t.ttl, source = asked, "ttl"
	case t.ttl == 0:
		t.ttl, source = system.DefaultLeaseTTL(), "the mount's default lease ttl"
	}
	if t.ttl > t.max {
		t.warnings = append(t.warnings, fmt.Sprintf("%s of %s was cut to %s of %s", source, t.ttl, limit, t.max))
		t.ttl = t.max
	}
	return t
}

func (r *role) show() map[string]any {
	return map[string]any{
		"project_id":                    r.ProjectID,
		"service_account_name_template": r.NameTemplate,
		"service_account_description":   r.Description,
		"ttl":                           seconds(r.TTL),
		"max_ttl":                       seconds(r.MaxTTL),
		"max_live":                      r.MaxLive,
	}
}
