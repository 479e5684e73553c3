// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"strconv"
	"strings"
	"testing"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

// faults are the ways in which a call to OpenAI goes wrong once.
var faults = []simulator.Fault{
	{Action: "drop-before"},
	{Action: "drop-after"},
	{Action: "status", Status: 429},
	{Action: "status", Status: 429, RetryAfter: "1"},
	{Action: "status", Status: 429, RetryAfter: "3600"},
	{Action: "status", Status: 500},
	{Action: "status", Status: 503, RetryAfter: "1"},
	{Action: "status-after", Status: 500},
	{Action: "status", Status: 401},
	{Action: "status", Status: 403},
	{Action: "status", Status: 302},
	{Action: "html"},
	{Action: "html-after"},
	{Action: "html", Status: 404},
	{Action: "truncate"},
	{Action: "slow", DelayMS: 700},
	{Action: "slow-after", DelayMS: 700},
	{Action: "no-key"},
}

func name(f simulator.Fault) string {
	text := f.Action
	if f.Status != 0 {
		text += "-" + strconv.Itoa(f.Status)
	}
	if f.RetryAfter != "" {
		text += "-retry-after-" + f.RetryAfter
	}
	return text
}

const (
	accountsPath = "/service_accounts$"
	accountPath  = "/service_accounts/.+"
	projectPath  = "/projects/[^/]+$"
	adminsPath   = "/admin_api_keys$"
	adminPath    = "/admin_api_keys/.+"
)

// eachFault runs a check for every fault of one call, each in a place of its own.
func eachFault(t *testing.T, method, path string, check func(p *place, f simulator.Fault)) {
	for _, f := range faults {
		f.Method, f.Path = method, path
		t.Run(name(f), func(t *testing.T) {
			everywhere(t, func(p *place) { check(p, f) })
		})
	}
}

func TestFaultWhileCreatingLeavesNoOrphan(t *testing.T) {
	eachFault(t, "POST", accountsPath, func(p *place, f simulator.Fault) {
		p.configured(nil)
		p.fault(f)
		r := p.tryCreds()
		if wantKey := f.Action == "slow" || f.Action == "slow-after" || f.Status == 429 && f.RetryAfter != "3600"; wantKey != (r.Status == 200) {
			p.Errorf("creds are answered with %d: %v", r.Status, r.Errors)
		}
		p.balanced()
		p.creds()
		p.balanced()
		p.unmounted()
	})
}

func TestFaultWhileCreatingAndWhileUndoingIsTidied(t *testing.T) {
	for _, undo := range []simulator.Fault{
		{Method: "GET", Path: accountsPath, Action: "status", Status: 500},
		{Method: "GET", Path: accountsPath, Action: "truncate"},
		{Method: "DELETE", Path: accountPath, Action: "status", Status: 403},
	} {
		t.Run(name(undo), func(t *testing.T) {
			everywhere(t, func(p *place) {
				p.configured(nil)
				p.fault(simulator.Fault{Method: "POST", Path: accountsPath, Action: "drop-after"})
				p.fault(undo)
				if r := p.tryCreds(); r.Status != 500 {
					p.Errorf("creds are answered with %d: %v", r.Status, r.Errors)
				}
				if n := len(p.openai.State().Accounts); n != 1 {
					p.Fatalf("%d accounts before the clean-up, want the lost one", n)
				}
				if r := p.must("POST", "tidy", map[string]any{"min_age": 0}); r.Data["dry_run"] != true || r.Data["unsettled"] != 1.0 {
					p.Errorf("a dry run reports %v", r.Data)
				}
				if n := len(p.openai.State().Accounts); n != 1 {
					p.Error("a dry run deleted something")
				}
				p.tidy()
				p.balanced()
				p.unmounted()
			})
		})
	}
}

func TestFaultWhileRevokingEndsWithoutAKey(t *testing.T) {
	eachFault(t, "DELETE", accountPath, func(p *place, f simulator.Fault) {
		p.configured(nil)
		lease := p.creds().LeaseID
		p.fault(f)
		r := p.revoke(lease)
		final := f.Status == 401 || f.Status == 403 || f.Status == 404 || f.Status == 302 || f.RetryAfter == "3600"
		if final != (r.Status == 400) {
			p.Errorf("the revocation is answered with %d: %v", r.Status, r.Errors)
		}
		p.balanced()
		if final {
			if r := p.revoke(lease); r.Status != 204 {
				p.Errorf("the second revocation is answered with %d: %v", r.Status, r.Errors)
			}
		}
		p.balanced()
		p.unmounted()
	})
}

func TestRevokingAnAccountDeletedByHandSucceeds(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		r := p.creds()
		if !p.openai.DeleteAccount(stand.Project, r.Text("service_account_id")) {
			p.Fatal("the account was not there")
		}
		if r := p.revoke(r.LeaseID); r.Status != 204 {
			p.Errorf("the revocation is answered with %d: %v", r.Status, r.Errors)
		}
		p.balanced()
		p.unmounted()
	})
}

func TestFaultWhileCheckingTheConfigNeverLocksAnOperatorOut(t *testing.T) {
	eachFault(t, "GET", adminPath, func(p *place, f simulator.Fault) {
		p.fault(f)
		r := p.try("POST", "config", p.openai.Config())
		stored := p.try("GET", "config", nil).Status == 200
		switch refusal, unseen := f.Status == 401 || f.Status == 403, f.Action == "slow" || f.Action == "slow-after" || f.Action == "no-key"; {
		case refusal && (r.Status != 400 || stored):
			p.Errorf("a refused key is answered with %d, stored: %v", r.Status, stored)
		case !refusal && (r.Status >= 300 || !stored):
			p.Errorf("the config is answered with %d, stored: %v: %v", r.Status, stored, r.Errors)
		case !refusal && !unseen && !strings.Contains(strings.Join(r.Warnings, ""), "admin_api_key could not be checked"):
			p.Errorf("warnings %v", r.Warnings)
		}
		p.configured(nil)
		p.creds()
		p.balanced()
		p.unmounted()
	})
}

func TestFaultWhileReadingTheProjectMakesNothing(t *testing.T) {
	eachFault(t, "GET", projectPath, func(p *place, f simulator.Fault) {
		p.must("POST", "config", p.openai.Config())
		p.fault(f)
		r := p.try("POST", "roles/agent", map[string]any{"project_id": stand.Project})
		if r.Status >= 300 && p.try("GET", "roles/agent", nil).Status != 404 {
			p.Error("a role that was refused is there")
		}
		p.openai.ClearFaults()
		p.configured(nil)
		p.fault(f)
		if r := p.try("POST", "roles/agent", map[string]any{"ttl": "7m"}); r.Status >= 300 {
			p.Errorf("a ttl cannot be changed while the project cannot be read: %v", r.Errors)
		}
		p.creds()
		p.balanced()
		p.unmounted()
	})
}

func TestFaultWhileRotatingKeepsExactlyOneAdminKey(t *testing.T) {
	for call, path := range map[string]string{"POST": adminsPath, "GET": adminPath, "DELETE": adminPath} {
		t.Run(call, func(t *testing.T) {
			eachFault(t, call, path, func(p *place, f simulator.Fault) {
				p.configured(nil)
				lease := p.creds().LeaseID
				p.fault(f)
				r := p.try("POST", "config/rotate", nil)
				if call == "DELETE" && r.Status != 200 {
					p.Errorf("a rotation whose old key cannot be deleted is answered with %d: %v", r.Status, r.Errors)
				}
				p.openai.ClearFaults()
				p.tidy()
				p.oneAdminKey()
				config := p.must("GET", "config", nil).Data
				if rotated := config["admin_api_key_id"] != stand.AdminKeyID; rotated != (r.Status == 200) {
					p.Errorf("rotated: %v, but the answer was %d: %v", rotated, r.Status, r.Errors)
				}
				if r := p.revoke(lease); r.Status != 204 {
					p.Errorf("a lease cannot be revoked after it: %v", r.Errors)
				}
				p.creds()
				p.balanced()
				p.unmounted()
			})
		})
	}
}

func TestFaultWhileTidyingIsHealedByTheNextRun(t *testing.T) {
	for name, lists := range map[string]string{"accounts": accountsPath, "admin keys": adminsPath} {
		t.Run(name, func(t *testing.T) {
			eachFault(t, "GET", lists, func(p *place, f simulator.Fault) {
				p.configured(nil)
				kept := p.creds()
				p.plant(p.must("GET", "info", nil).Data["account_prefix"].(string) + "lost")
				p.fault(simulator.Fault{Method: "POST", Path: adminsPath, Action: "drop-after"})
				p.refused("POST", "config/rotate", nil, 500, "the old key stays in use")
				p.fault(f)
				first := p.try("POST", "tidy", map[string]any{"dry_run": false, "min_age": 0})
				if first.Status == 200 && len(p.openai.State().Accounts) != 1 {
					p.Error("tidy says it is done and is not")
				}
				p.tidy()
				p.balanced()
				if n := len(p.openai.State().AdminKeys); n != 1 {
					p.Errorf("%d admin keys, want 1", n)
				}
				if _, live := p.openai.KeyLives(kept.Text("api_key")); !live {
					p.Error("the key of a lease was deleted")
				}
				p.unmounted()
			})
		})
	}
}

func TestUnreachableOpenAIIsNamedInTheError(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		p.openai.Close()
		p.refused("GET", "creds/agent", nil, 500, "error creating service account: no answer from OpenAI: ")
		last, _ := p.must("GET", "info", nil).Data["last_error"].(map[string]any)
		if last["call"] != "create service account" {
			p.Errorf("info shows the last error %v", last)
		}
		p.balanced()
	})
}
