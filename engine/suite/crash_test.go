// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"syscall"
	"testing"
	"time"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

// call is one kind of call to OpenAI.
type call struct {
	method, path string
	counted      string // how the simulator counts it
}

var (
	createAccount  = call{"POST", accountsPath, "POST /v1/organization/projects/{project}/service_accounts"}
	deleteAccount  = call{"DELETE", accountPath, "DELETE /v1/organization/projects/{project}/service_accounts/{account}"}
	createAdminKey = call{"POST", adminsPath, "POST /v1/organization/admin_api_keys"}
	checkAdminKey  = call{"GET", adminPath, "GET /v1/organization/admin_api_keys/{key}"}
	deleteAdminKey = call{"DELETE", adminPath, "DELETE /v1/organization/admin_api_keys/{key}"}
)

// during sends a request whose call to OpenAI is answered late, breaks something as soon as OpenAI is asked, and gives
// the request's answer.
func (p *place) during(c call, action, method, path string, body any, broken func()) (r stand.Reply) {
	p.Helper()
	before := p.openai.State().Requests.By[c.counted]
	p.fault(simulator.Fault{Method: c.method, Path: c.path, Action: action, DelayMS: 1500})
	done := make(chan struct{})
	go func() {
		defer close(done)
		var err error
		if r, err = p.server.Do(method, path, body); err != nil {
			p.Logf("the request under way: %v", err)
		}
	}()
	p.until("OpenAI is asked", patience, func() bool { return p.openai.State().Requests.By[c.counted] > before })
	broken()
	<-done
	return r
}

// duringCreds is during for a creds read.
func (p *place) duringCreds(action string, broken func()) stand.Reply {
	p.Helper()
	accounts := len(p.openai.State().Accounts)
	r := p.during(createAccount, action, "GET", p.mount+"/creds/agent", nil, func() {
		if action == "slow-after" { // the call is counted a moment before it takes effect
			p.until("the account is made", patience, func() bool { return len(p.openai.State().Accounts) > accounts })
		}
		broken()
	})
	if r.Status == 200 {
		p.remember(r)
	}
	return r
}

// runsAgain waits until the server has started the plugin again.
func (p *place) runsAgain() {
	p.Helper()
	p.until("the plugin runs again", patience, func() bool { return p.try("GET", "info", nil).Status == 200 })
}

func (p *place) killPlugin() {
	p.Helper()
	pids, err := p.server.Plugins()
	if err != nil || len(pids) == 0 {
		p.Fatalf("plugin processes: %v, %v", pids, err)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			p.Fatal(err)
		}
	}
}

func (p *place) sealed() {
	p.Helper()
	if err := p.server.Seal(); err != nil {
		p.Fatal(err)
	}
}

// unsealed unseals and waits until what was asked of OpenAI before has taken effect.
func (p *place) unsealed() {
	p.Helper()
	if err := p.server.Unseal(); err != nil {
		p.Fatal(err)
	}
	p.quiet()
}

// oneAdminKey checks that the configured admin key is the only one there is.
func (p *place) oneAdminKey() {
	p.Helper()
	admins, config := p.openai.State().AdminKeys, p.must("GET", "config", nil).Data
	if len(admins) != 1 || admins[0].ID != config["admin_api_key_id"] {
		p.Errorf("admin keys %+v, configured %v", admins, config["admin_api_key_id"])
	}
}

// oneIsPending checks that the write-ahead entry of the lost account has survived.
func (p *place) oneIsPending() {
	p.Helper()
	if n := p.must("GET", "info", nil).Data["pending_accounts"]; n != 1.0 {
		p.Errorf("the ledger has %v entries without an outcome, want 1", n)
	}
}

func TestPluginKilledWhileCreating(t *testing.T) {
	for _, action := range []string{"slow", "slow-after"} {
		t.Run(action, func(t *testing.T) {
			alone(t, stand.ServerOptions{}, func(p *place) {
				p.configured(nil)
				kept := p.creds()
				if r := p.duringCreds(action, p.killPlugin); r.Status < 500 {
					p.Errorf("the read under way is answered with %d", r.Status)
				}
				p.runsAgain()
				p.until("the lost account is made", patience, func() bool { return len(p.openai.State().Accounts) == 2 })
				p.oneIsPending()
				p.tidy()
				p.balanced()
				if r := p.revoke(kept.LeaseID); r.Status != 204 {
					p.Errorf("a lease of the killed plugin cannot be revoked: %v", r.Errors)
				}
				p.creds()
				p.balanced()
				p.unmounted()
			})
		})
	}
}

func TestPluginKilledWhileRevoking(t *testing.T) {
	for _, action := range []string{"slow", "slow-after"} {
		t.Run(action, func(t *testing.T) {
			alone(t, stand.ServerOptions{}, func(p *place) {
				p.configured(nil)
				p.creds()
				lease := map[string]any{"lease_id": p.creds().LeaseID, "sync": true}
				if r := p.during(deleteAccount, action, "PUT", "sys/leases/revoke", lease, p.killPlugin); r.Status < 400 {
					p.Errorf("the revocation under way is answered with %d", r.Status)
				}
				p.runsAgain()
				if r := p.revoke(lease["lease_id"].(string)); r.Status != 204 {
					p.Errorf("the second revocation is answered with %d: %v", r.Status, r.Errors)
				}
				p.balanced()
				p.unmounted()
			})
		})
	}
}

// rotationIsSettled checks that a rotation which was cut off left one admin key, and a mount that ends and makes keys with it.
func (p *place) rotationIsSettled(lease string) {
	p.Helper()
	p.tidy()
	p.oneAdminKey()
	if r := p.revoke(lease); r.Status != 204 {
		p.Errorf("a lease cannot be revoked after it: %v", r.Errors)
	}
	p.creds()
	p.balanced()
	p.unmounted()
}

func TestPluginKilledWhileRotatingKeepsExactlyOneAdminKey(t *testing.T) {
	for name, c := range map[string]call{"creating": createAdminKey, "checking": checkAdminKey, "deleting": deleteAdminKey} {
		t.Run(name, func(t *testing.T) {
			alone(t, stand.ServerOptions{}, func(p *place) {
				p.configured(nil)
				lease := p.creds().LeaseID
				if r := p.during(c, "slow-after", "POST", p.mount+"/config/rotate", nil, p.killPlugin); r.Status < 500 {
					p.Errorf("the rotation under way is answered with %d", r.Status)
				}
				p.runsAgain()
				p.rotationIsSettled(lease)
			})
		})
	}
}

func TestMountDisabledAfterAKillLeavesNoKey(t *testing.T) {
	alone(t, stand.ServerOptions{}, func(p *place) {
		p.configured(nil)
		p.creds()
		p.duringCreds("slow-after", p.killPlugin)
		p.runsAgain()
		p.plant(p.must("GET", "info", nil).Data["account_prefix"].(string) + "lost")
		p.unmounted()
	})
}

func TestServerSealedWhileCreating(t *testing.T) {
	for _, action := range []string{"slow", "slow-after"} {
		t.Run(action, func(t *testing.T) {
			alone(t, stand.ServerOptions{}, func(p *place) {
				p.configured(nil)
				p.creds()
				p.duringCreds(action, p.sealed)
				p.unsealed()
				p.tidy()
				p.balanced()
				p.creds()
				p.balanced()
				p.unmounted()
			})
		})
	}
}

func TestServerSealedWhileRevoking(t *testing.T) {
	for _, action := range []string{"slow", "slow-after"} {
		t.Run(action, func(t *testing.T) {
			alone(t, stand.ServerOptions{}, func(p *place) {
				p.configured(nil)
				p.creds()
				lease := p.creds().LeaseID
				p.during(deleteAccount, action, "PUT", "sys/leases/revoke", map[string]any{"lease_id": lease, "sync": true}, p.sealed)
				p.unsealed()
				if r := p.revoke(lease); r.Status != 204 {
					p.Errorf("the second revocation is answered with %d: %v", r.Status, r.Errors)
				}
				p.balanced()
				p.unmounted()
			})
		})
	}
}

func TestServerSealedWhileRotatingKeepsExactlyOneAdminKey(t *testing.T) {
	for name, c := range map[string]call{"creating": createAdminKey, "checking": checkAdminKey, "deleting": deleteAdminKey} {
		t.Run(name, func(t *testing.T) {
			alone(t, stand.ServerOptions{}, func(p *place) {
				p.configured(nil)
				lease := p.creds().LeaseID
				p.during(c, "slow-after", "POST", p.mount+"/config/rotate", nil, p.sealed)
				p.unsealed()
				p.rotationIsSettled(lease)
			})
		})
	}
}

func TestLeaseThatEndsWhileSealedIsRevokedAfterwards(t *testing.T) {
	alone(t, stand.ServerOptions{}, func(p *place) {
		p.configured(nil)
		kept := p.creds()
		short := p.must("GET", "creds/agent?ttl=2s", nil)
		p.remember(short)
		p.sealed()
		time.Sleep(3 * time.Second) // a sealed server has no event for it
		p.unsealed()
		p.until("the key of the lease that has ended is dead", patience, func() bool {
			_, live := p.openai.KeyLives(short.Text("api_key"))
			return !live
		})
		p.until("its lease is gone", patience, func() bool { return len(p.leases()) == 1 })
		if r := p.revoke(kept.LeaseID); r.Status != 204 {
			p.Errorf("the other lease cannot be revoked: %v", r.Errors)
		}
		p.balanced()
		p.unmounted()
	})
}

func TestServerKilledWhileCreating(t *testing.T) {
	alone(t, stand.ServerOptions{Disk: true}, func(p *place) {
		p.configured(nil)
		p.creds()
		p.duringCreds("slow-after", p.server.Kill)
		if err := p.server.Restart(); err != nil {
			p.Fatal(err)
		}
		p.oneIsPending()
		p.tidy()
		p.balanced()
		p.unmounted()
	})
}

func TestCallerThatGoesAwayLeavesNoAccount(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		for _, action := range []string{"slow", "slow-after"} {
			p.fault(simulator.Fault{Method: "POST", Path: accountsPath, Action: action, DelayMS: 1000})
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			if _, err := p.server.DoContext(ctx, "GET", p.mount+"/creds/agent", nil); err == nil {
				p.Error("the read was answered in time")
			}
			cancel()
		}
		p.until("nothing is pending any more", patience, func() bool {
			p.tidy()
			return p.must("GET", "info", nil).Data["live_accounts"] == 0.0 && len(p.openai.State().Accounts) == 0
		})
		p.balanced()
		p.unmounted()
	})
}

func TestRequestThatRunsOutOfTimeLeavesNoAccount(t *testing.T) {
	alone(t, stand.ServerOptions{RequestLimit: 2 * time.Second}, func(p *place) {
		p.configured(nil)
		p.fault(simulator.Fault{Method: "POST", Path: accountsPath, Action: "slow", DelayMS: 3000})
		if r := p.tryCreds(); r.Status < 500 {
			p.Errorf("the read is answered with %d", r.Status)
		}
		p.until("the late account is made", patience, func() bool { return len(p.openai.State().Accounts) == 1 })
		p.tidy()
		p.balanced()
		p.unmounted()
	})
}
