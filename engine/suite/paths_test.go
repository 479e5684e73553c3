// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

func TestUnconfiguredMountSaysSo(t *testing.T) {
	everywhere(t, func(p *place) {
		const want = "not configured: write organization_id, admin_api_key and admin_api_key_id to "
		p.refused("POST", "roles/agent", map[string]any{"project_id": "p"}, 400, want+p.mount+"/config")
		p.refused("GET", "creds/agent", nil, 400, want)
		p.refused("POST", "config/rotate", nil, 400, want)
		p.refused("POST", "tidy", nil, 400, want)
		if r := p.try("GET", "config", nil); r.Status != 404 {
			p.Errorf("config reads with %d", r.Status)
		}
		if r := p.must("GET", "info", nil); r.Data["configured"] != false || r.Data["version"] != plugin.Version {
			p.Errorf("info is %v", r.Data)
		}
		p.unmounted()
	})
}

func TestFieldsReadBackInTheirDocumentedForm(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(map[string]any{"max_live": 7})
		config := p.must("GET", "config", nil).Data
		if slices.Contains(slices.Collect(maps.Keys(config)), "admin_api_key") {
			p.Error("config returns the admin key")
		}
		if config["admin_api_key_id"] != stand.AdminKeyID || config["api_endpoint"] != p.openai.Endpoint || config["rotation_period"] != 0.0 {
			p.Errorf("config is %v", config)
		}
		role := p.must("GET", "roles/agent", nil).Data
		want := map[string]any{
			"project_id": stand.Project, "ttl": 900.0, "max_ttl": 3600.0, "max_live": 7.0,
			"service_account_name_template": "vault-{{.RoleName}}-{{.RandomSuffix}}",
			"service_account_description":   "Service account created by Vault",
		}
		if !maps.Equal(role, want) {
			p.Errorf("role is %v, want %v", role, want)
		}
		p.must("POST", "roles/agent", map[string]any{"ttl": 60})
		if role := p.must("GET", "roles/agent", nil).Data; role["ttl"] != 60.0 || role["max_ttl"] != 3600.0 {
			p.Errorf("after a partial write the role is %v", role)
		}
		if list := p.must("LIST", "roles", nil).Data["keys"].([]any); !slices.Equal(list, []any{"agent"}) {
			p.Errorf("roles are %v", list)
		}
		if r := p.try("POST", "creds/agent", map[string]any{}); r.Status != 405 {
			p.Errorf("a write of creds is answered with %d", r.Status)
		}
		p.unmounted()
	})
}

func TestUnknownFieldsAreNamed(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		p.refused("POST", "roles/agent", map[string]any{"tll": "5m", "max_tll": 3}, 400, `unknown field "max_tll", "tll" on roles/agent`)
		p.refused("POST", "config", map[string]any{"orgnization_id": "x"}, 400, `unknown field "orgnization_id" on config`)
		p.refused("GET", "creds/agent?tll=5m", nil, 400, `unknown field "tll"`)
		p.refused("POST", "tidy", map[string]any{"dryrun": true}, 400, `unknown field "dryrun"`)
		p.refused("POST", "config", map[string]any{"force": true}, 400, `unknown field "force" on config`)
		p.refused("DELETE", "config?forced=true", nil, 400, `unknown field "forced" on config: it takes force`)
		p.refused("POST", "config/rotate", map[string]any{"key": 1}, 400, `unknown field "key" on config/rotate: it takes force`)
		p.refused("GET", "info?verbose=true", nil, 400, `unknown field "verbose" on info: it takes none`)
		p.refused("LIST", "roles?limit=1", nil, 400, `unknown field "limit" on roles/: it takes none`)
		p.refused("GET", "roles?list=true&limit=1", nil, 400, `unknown field "limit" on roles/`)
		if list := p.must("GET", "roles?list=true", nil).Data["keys"].([]any); !slices.Equal(list, []any{"agent"}) {
			p.Errorf("roles are %v", list)
		}
		p.unmounted()
	})
}

func TestTTLIsHonouredOrCutWithAWarning(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		for query, want := range map[string]int{"": 900, "?ttl=5m": 300, "?ttl=45m": 2700, "?ttl=1h": 3600, "?ttl=9h": 3600} {
			r := p.must("GET", "creds/agent"+query, nil)
			p.remember(r)
			if r.LeaseDuration != want || !r.Renewable {
				p.Errorf("creds%s: lease of %d s, renewable %v, want %d s", query, r.LeaseDuration, r.Renewable, want)
			}
			if cut := strings.Contains(strings.Join(r.Warnings, ""), "was cut to the role's max_ttl"); cut != (query == "?ttl=9h") {
				p.Errorf("creds%s: warnings %v", query, r.Warnings)
			}
		}
		p.must("POST", "roles/agent", map[string]any{"ttl": 0, "max_ttl": "30m"})
		if r := p.creds(); r.LeaseDuration != 1800 {
			p.Errorf("ttl 0 gives a lease of %d s, want max_ttl", r.LeaseDuration)
		}
		p.must("POST", "roles/agent", map[string]any{"ttl": 0, "max_ttl": 0})
		if r := p.creds(); r.LeaseDuration != 2764800 {
			p.Errorf("ttl 0 and max_ttl 0 give a lease of %d s, want the mount's default", r.LeaseDuration)
		}
		p.refused("POST", "roles/agent", map[string]any{"ttl": "2h", "max_ttl": "1h"}, 400, "ttl cannot be greater than max_ttl")
		p.refused("GET", "creds/agent?ttl=0", nil, 400, "ttl must be at least 1s")
		if err := p.server.Must("POST", "sys/mounts/"+p.mount+"/tune", map[string]any{"max_lease_ttl": "10m"}).Err; err != nil {
			p.Fatal(err)
		}
		if r := p.creds(); r.LeaseDuration != 600 || !strings.Contains(strings.Join(r.Warnings, ""), "was cut to the mount's maximum lease ttl of 10m0s") {
			p.Errorf("beyond the mount's maximum: a lease of %d s, warnings %v", r.LeaseDuration, r.Warnings)
		}
		p.balanced()
		p.unmounted()
	})
}

func TestLeasesAreRenewedUpToMaxTTL(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(map[string]any{"ttl": "10m", "max_ttl": "20m"})
		lease := p.creds().LeaseID
		renew := func(increment string) stand.Reply {
			return p.server.Must("PUT", "sys/leases/renew", map[string]any{"lease_id": lease, "increment": increment})
		}
		if r := renew("15m"); r.Err != nil || r.LeaseDuration <= 600 || r.LeaseDuration > 900 {
			p.Errorf("renewal by 15m: %v, %d s", r.Err, r.LeaseDuration)
		}
		if r := renew("5h"); r.Err != nil || r.LeaseDuration > 1200 || r.LeaseDuration <= 900 {
			p.Errorf("renewal by 5h: %v, %d s", r.Err, r.LeaseDuration)
		}
		p.must("POST", "roles/agent", map[string]any{"max_ttl": "15m"})
		if r := renew("5h"); r.Err != nil || r.LeaseDuration > 900 {
			p.Errorf("renewal by 5h beyond a max_ttl that was lowered to 15m: %v, %d s", r.Err, r.LeaseDuration)
		}
		p.must("POST", "roles/agent", map[string]any{"max_ttl": "40m"})
		if r := renew("5h"); r.Err != nil || r.LeaseDuration <= 1200 || r.LeaseDuration > 2400 {
			p.Errorf("renewal by 5h within a max_ttl that was raised to 40m: %v, %d s", r.Err, r.LeaseDuration)
		}
		p.balanced()
		p.must("DELETE", "roles/agent", nil)
		if r := renew("5m"); r.Err == nil {
			p.Error("a lease of a deleted role was renewed")
		}
		if r := p.revoke(lease); r.Status != 204 {
			p.Errorf("a lease of a deleted role cannot be revoked: %v", r.Errors)
		}
		p.balanced()
		p.unmounted()
	})
}

func TestMaxLiveHoldsAndFreesPlaces(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(map[string]any{"max_live": 3})
		results := make(chan stand.Reply)
		for range 12 {
			go func() { results <- p.tryCreds() }()
		}
		var lease string
		given := 0
		for range 12 {
			r := <-results
			if r.Status == 200 {
				given++
				lease = r.LeaseID
			} else if r.Status != 400 || !strings.Contains(strings.Join(r.Errors, ""), "and its max_live is 3") {
				p.Errorf("beyond the limit: status %d: %v", r.Status, r.Errors)
			}
		}
		if given != 3 {
			p.Errorf("%d of 12 reads at once were served, want 3", given)
		}
		p.balanced()
		p.revoke(lease)
		p.creds()
		if live := p.must("GET", "info", nil).Data["live_accounts_by_role"]; live.(map[string]any)["agent"] != 3.0 {
			p.Errorf("info counts %v", live)
		}
		p.unmounted()
	})
}

func TestProjectIsReadOnceAndCached(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		for range 5 {
			p.creds()
		}
		if n := p.openai.State().Requests.By["GET /v1/organization/projects/{project}"]; n != 1 {
			p.Errorf("the project was read %d times for one role and five keys", n)
		}
		p.refused("POST", "roles/other", map[string]any{"project_id": "proj_none"}, 400, `has no project "proj_none"`)
		if err := p.openai.PutProject(simulator.Project{ID: "proj_old", Status: "archived"}); err != nil {
			p.Fatal(err)
		}
		p.refused("POST", "roles/other", map[string]any{"project_id": "proj_old"}, 400, "proj_old is not active (status: archived)")
		p.unmounted()
	})
}

func TestWrongAdminKeyIsNotStored(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		lease := p.creds().LeaseID
		p.secrets = append(p.secrets, "sk-admin-wrong-canary")
		p.refused("POST", "config", map[string]any{"admin_api_key": "sk-admin-wrong-canary"}, 400, "admin_api_key was refused by OpenAI")
		if r := p.revoke(lease); r.Status != 204 {
			p.Errorf("after a refused config a lease cannot be revoked: %v", r.Errors)
		}
		p.balanced()
		p.fault(simulator.Fault{Path: "admin_api_keys", Action: "status", Status: 503})
		if r := p.must("POST", "config", map[string]any{"api_endpoint": p.openai.Endpoint + "/"}); r.Warnings != nil {
			p.Errorf("an unchanged config was checked: %v", r.Warnings)
		}
		p.unmounted()
	})
}
