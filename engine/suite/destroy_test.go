// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"strings"
	"testing"

	"pulumi-riptides/lab/simulator"
)

func TestDestroyInAnyOrderLeavesNoKey(t *testing.T) {
	disable := func(p *place) {
		if err := p.server.Must("DELETE", "sys/mounts/"+p.mount, nil).Err; err != nil {
			p.Error(err)
		}
	}
	role := func(p *place) { p.must("DELETE", "roles/agent", nil) }
	config := func(p *place) {
		p.refused("DELETE", "config", nil, 400, "config cannot be deleted: 3 accounts are live")
		p.refused("DELETE", "config", nil, 400, "bao lease revoke -sync -prefix "+p.mount+"/creds/")
	}
	forced := func(p *place) { p.must("DELETE", "config?force=true", nil) }
	revoked := func(p *place) {
		if err := p.server.Must("PUT", "sys/leases/revoke-prefix/"+p.mount, map[string]bool{"sync": true}).Err; err != nil {
			p.Error(err)
		}
		p.must("DELETE", "config", nil)
	}
	for name, order := range map[string][]func(*place){
		"mount":                       {disable},
		"role, mount":                 {role, disable},
		"role, config, mount":         {role, config, disable},
		"config, role, mount":         {config, role, disable},
		"role, forced config, mount":  {role, forced, disable},
		"forced config, mount":        {forced, disable},
		"leases, config, role, mount": {revoked, role, disable},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(p *place) {
				p.configured(nil)
				for range 3 {
					p.creds()
				}
				p.balanced()
				for _, step := range order {
					step(p)
				}
				if n := p.openai.State().LiveKeys; n != 0 {
					p.Errorf("%d keys live after all of it", n)
				}
				if r, err := p.server.Do("GET", "sys/mounts/"+p.mount, nil); err != nil || r.Status == 200 {
					p.Errorf("the mount is still there: %d %v", r.Status, err)
				}
			})
		})
	}
}

func TestForcedConfigDeletionKeepsTheConfigWhenOpenAIFails(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		p.creds()
		p.fault(simulator.Fault{Method: "DELETE", Path: accountPath, Action: "status", Status: 403})
		p.refused("DELETE", "config?force=true", nil, 500, "config is kept: not every account could be deleted at OpenAI")
		p.balanced()
		p.must("DELETE", "config?force=true", nil)
		p.unmounted()
	})
}

func TestForceDeletedKeysHaveLeasesThatEndWell(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		lease := p.creds().LeaseID
		p.must("DELETE", "config?force=true", nil)
		if r, err := p.server.Do("PUT", "sys/leases/renew", map[string]string{"lease_id": lease}); err != nil || r.Status != 400 {
			p.Errorf("the lease of a deleted key is renewed: %d %v", r.Status, err)
		}
		if r := p.revoke(lease); r.Status != 204 {
			p.Errorf("the lease of a deleted key cannot be revoked: %v", r.Errors)
		}
		p.balanced()
		p.unmounted()
	})
}

func TestMountDisabledWhileOpenAIIsDownGoesOnceItIsBack(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		for range 3 {
			p.creds()
		}
		p.fault(simulator.Fault{Path: ".*", Action: "status", Status: 403, Times: -1})
		if r, err := p.server.Do("DELETE", "sys/mounts/"+p.mount, nil); err != nil || r.Status < 400 {
			p.Errorf("the mount was disabled with live keys: %d %v", r.Status, err)
		}
		if n := p.openai.State().LiveKeys; n != 3 {
			p.Errorf("%d keys live, want 3", n)
		}
		p.openai.ClearFaults()
		p.unmounted()
	})
}

func TestLostAccountGoesWithItsMount(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		p.creds()
		p.fault(simulator.Fault{Method: "POST", Path: accountsPath, Action: "drop-after"})
		p.fault(simulator.Fault{Method: "GET", Path: accountsPath, Action: "status", Status: 500})
		p.tryCreds()
		if n := p.openai.State().LiveKeys; n != 2 {
			p.Fatalf("%d keys live, want the leased one and the lost one", n)
		}
		p.unmounted()
	})
}

func TestOrganizationCannotChangeUnderLiveAccounts(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		lease := p.creds().LeaseID
		p.refused("POST", "config", map[string]any{"organization_id": "org-other"}, 400, "organization_id cannot change while 1 accounts")
		p.revoke(lease)
		p.refused("POST", "config", map[string]any{"organization_id": "org-other"}, 400, "mismatched_organization")
		p.unmounted()
	})
}

func TestMountsThatShareAnAdminKeyAreWarned(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		other := newPlace(p.T, p.server)
		other.openai = p.openai
		other.secrets = p.secrets
		r := other.must("POST", "config", p.openai.Config())
		if !strings.Contains(strings.Join(r.Warnings, ""), "1 other mount(s) use the same admin_api_key") {
			p.Errorf("warnings %v", r.Warnings)
		}
		p.refused("POST", "config/rotate", nil, 400, "give each mount an admin key of its own")
		if n := p.must("GET", "info", nil).Data["admin_key_shared_with"]; n != 1.0 {
			p.Errorf("info counts %v other mounts", n)
		}
		if err := p.server.Must("DELETE", "sys/mounts/"+other.mount, nil).Err; err != nil {
			p.Fatal(err)
		}
		if r := p.must("POST", "config/rotate", nil); len(r.Warnings) != 0 {
			p.Errorf("a rotation without another mount warns: %v", r.Warnings)
		}
		p.unmounted()
	})
}

func TestTidyKeepsToTheMountsOwnAccounts(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		p.creds()
		mark := p.must("GET", "info", nil).Data["account_prefix"].(string)
		p.plant("made by hand")
		p.plant("rt-zzzzzzzz-vault-agent-other")
		p.plant(mark + "lost")
		p.refused("POST", "tidy", map[string]any{"prefix": "made"}, 400, "prefix must be the account_prefix of a mount")
		dry := p.must("POST", "tidy", map[string]any{"min_age": 0}).Data
		if orphans := dry["orphans"].([]any); len(orphans) != 1 || orphans[0].(map[string]any)["service_account"] != mark+"lost" {
			p.Errorf("a dry run finds %v", dry["orphans"])
		}
		if young := p.must("POST", "tidy", map[string]any{"dry_run": false}).Data; young["deleted"] != 0.0 {
			p.Errorf("tidy deleted a young account: %v", young)
		}
		if n := len(p.openai.State().Accounts); n != 4 {
			p.Errorf("%d accounts after the dry run, want 4", n)
		}
		p.tidy()
		if n := len(p.openai.State().Accounts); n != 3 {
			p.Errorf("%d accounts after tidy, want 3", n)
		}
		p.must("POST", "tidy", map[string]any{"dry_run": false, "min_age": 0, "prefix": "rt-zzzzzzzz-"})
		if accounts := p.openai.State().Accounts; len(accounts) != 2 {
			p.Errorf("after tidy of a lost mount there are %+v", accounts)
		}
	})
}

func TestMovedMountWorksAndHasNoOldKeys(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		p.creds()
		to := p.mount + "-moved"
		r := p.server.Must("POST", "sys/remount", map[string]string{"from": p.mount, "to": to})
		if r.Err != nil {
			p.Fatal(r.Err)
		}
		p.until("the move has ended", patience, func() bool {
			s := p.server.Must("GET", "sys/remount/status/"+r.Text("migration_id"), nil)
			info, _ := s.Data["migration_info"].(map[string]any)
			return info["status"] == "success"
		})
		if n := p.openai.State().LiveKeys; n != 0 {
			p.Errorf("%d keys of the old mount live", n)
		}
		p.mount = to
		p.creds()
		p.balanced()
		p.unmounted()
	})
}
