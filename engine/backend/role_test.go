// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

func TestRoleIsChecked(t *testing.T) {
	p := newPlace(t)
	p.must(logical.UpdateOperation, "config", p.openai.Config())
	base := map[string]any{"project_id": stand.Project}
	for _, c := range []struct {
		changes map[string]any
		want    string
	}{
		{map[string]any{"project_id": ""}, "project_id is required"},
		{map[string]any{"project_id": "proj_none"}, `error validating project: project_id: organization org-stand has no project "proj_none"`},
		{map[string]any{"ttl": "2h", "max_ttl": "1h"}, "ttl cannot be greater than max_ttl"},
		{map[string]any{"ttl": -5}, "cannot provide negative value '-5'"},
		{map[string]any{"ttl": "soon"}, "ttl"},
		{map[string]any{"max_live": -1}, "max_live must be 0 (no limit) or more"},
		{map[string]any{"service_account_name_template": ""}, "service_account_name_template must not be empty"},
		{map[string]any{"service_account_name_template": "{{.Nope}}"}, "unknown variable .Nope"},
		{map[string]any{"projectid": "x"}, `unknown field "projectid" on roles/bad`},
	} {
		p.refused(logical.UpdateOperation, "roles/bad", with(base, c.changes), c.want)
		if resp := p.must(logical.ReadOperation, "roles/bad", nil); resp != nil {
			t.Errorf("%v: something was stored: %v", c.changes, resp.Data)
		}
	}
	p.refused(logical.ReadOperation, "creds/bad", nil, `role "bad" does not exist`)
}

func TestTerms(t *testing.T) {
	system := &logical.StaticSystemView{DefaultLeaseTTLVal: 2 * time.Hour, MaxLeaseTTLVal: 10 * time.Hour}
	for _, c := range []struct {
		role     role
		asked    time.Duration
		ttl, max time.Duration
		warning  string
	}{
		{role{TTL: time.Hour, MaxTTL: 3 * time.Hour}, 0, time.Hour, 3 * time.Hour, ""},
		{role{TTL: time.Hour, MaxTTL: 3 * time.Hour}, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, ""},
		{role{TTL: time.Hour, MaxTTL: 3 * time.Hour}, 4 * time.Hour, 3 * time.Hour, 3 * time.Hour, "ttl of 4h0m0s was cut to the role's max_ttl of 3h0m0s"},
		{role{TTL: 0, MaxTTL: 3 * time.Hour}, 0, 2 * time.Hour, 3 * time.Hour, ""},
		{role{TTL: 0, MaxTTL: time.Hour}, 0, time.Hour, time.Hour, "the mount's default lease ttl of 2h0m0s was cut to the role's max_ttl"},
		{role{TTL: 0, MaxTTL: 0}, 0, 2 * time.Hour, 10 * time.Hour, ""},
		{role{TTL: 20 * time.Hour, MaxTTL: 30 * time.Hour}, 0, 10 * time.Hour, 10 * time.Hour, "the role's ttl of 20h0m0s was cut to the mount's maximum lease ttl of 10h0m0s"},
	} {
		got := c.role.terms(system, c.asked)
		if got.ttl != c.ttl || got.max != c.max || !strings.Contains(strings.Join(got.warnings, ""), c.warning) || (c.warning == "") != (len(got.warnings) == 0) {
			t.Errorf("%+v asked %s: %+v", c.role, c.asked, got)
		}
	}
}

func TestRoleLongerThanTheMountIsWarnedAbout(t *testing.T) {
	p := newPlace(t).configured()
	resp := p.must(logical.UpdateOperation, "roles/agent", map[string]any{"max_ttl": "1000h"})
	if resp == nil || !strings.Contains(strings.Join(resp.Warnings, ""), "the mount's maximum lease ttl of 48h0m0s is shorter") {
		t.Errorf("answer %v", resp)
	}
}

func TestProjectCacheHasATimeLimit(t *testing.T) {
	p := newPlace(t).configured()
	old := func() {
		p.projects.mu.Lock()
		defer p.projects.mu.Unlock()
		for id, known := range p.projects.known {
			known.readAt = known.readAt.Add(-projectLife)
			p.projects.known[id] = known
		}
	}
	reads := func() int { return p.openai.State().Requests.By["GET /v1/organization/projects/{project}"] }
	p.creds()
	if reads() != 1 {
		t.Errorf("%d reads of the project, want 1", reads())
	}
	old()
	p.fault(simulator.Fault{Method: "GET", Path: "projects/[^/]+$", Action: "status", Status: 500})
	p.creds()
	p.creds()
	if reads() != 3 {
		t.Errorf("%d reads of the project, want 3", reads())
	}
	old()
	if err := p.openai.PutProject(simulator.Project{ID: stand.Project, Status: "archived"}); err != nil {
		t.Fatal(err)
	}
	p.refused(logical.ReadOperation, "creds/agent", nil, "is not active (status: archived)")
	p.accounts(3)
}

func TestMarkOfAnAdminKey(t *testing.T) {
	for name, want := range map[string]string{
		"rt-abcd2345-admin-xyz": "rt-abcd2345-", "admin": "", "x-admin-y": "", "rt-ABCD2345-admin-x": "", "rt-abcd2345-agent-admin-x": "",
	} {
		if got := markOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestUnconfiguredMountContactsNobody(t *testing.T) {
	p := newPlace(t)
	for _, call := range []struct {
		operation logical.Operation
		path      string
	}{
		{logical.UpdateOperation, "roles/agent"}, {logical.ReadOperation, "creds/agent"},
		{logical.UpdateOperation, "config/rotate"}, {logical.UpdateOperation, "tidy"},
	} {
		data := map[string]any{}
		if call.path == "roles/agent" {
			data["project_id"] = "p"
		}
		p.refused(call.operation, call.path, data, "the OpenAI secrets engine is not configured: write organization_id, admin_api_key and admin_api_key_id to openai/config first")
	}
	if err := p.tick(); err != nil {
		t.Error(err)
	}
	if f := p.mount.link.LastFailure(); f != nil {
		t.Errorf("a call was made: %+v", f)
	}
}
