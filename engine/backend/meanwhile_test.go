// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/lab/simulator"
)

// meanwhile does something while an account is made at OpenAI: action "slow" makes it late, "slow-after" answers late.
// It gives the answer of the creds read.
func (p *place) meanwhile(action string, something func()) *logical.Response {
	p.Helper()
	p.fault(simulator.Fault{Method: "POST", Path: "service_accounts$", Action: action, DelayMS: 500})
	const counted = "POST /v1/organization/projects/{project}/service_accounts"
	before, accounts := p.openai.State().Requests.By[counted], len(p.openai.State().Accounts)
	type answer struct {
		resp *logical.Response
		err  error
	}
	answered := make(chan answer)
	go func() {
		resp, err := p.ask(logical.ReadOperation, "creds/agent", nil)
		answered <- answer{resp, err}
	}()
	for p.openai.State().Requests.By[counted] == before || action == "slow-after" && len(p.openai.State().Accounts) == accounts {
		time.Sleep(time.Millisecond)
	}
	something()
	a := <-answered
	if a.err != nil || a.resp.IsError() {
		p.Fatalf("creds: %v %v", a.resp, a.err)
	}
	return a.resp
}

func TestCleanUpLeavesAnAccountAloneThatIsBeingMade(t *testing.T) {
	p := newPlace(t).configured()
	p.creds()
	resp := p.meanwhile("slow-after", func() {
		if deleted := p.must(logical.UpdateOperation, "tidy", map[string]any{"dry_run": false, "min_age": 0}).Data["deleted"]; deleted != 0 {
			t.Errorf("tidy deleted %v accounts", deleted)
		}
		for range 2 { // the second sight is the one that deletes
			p.upkeep.lastReconcile = time.Time{}
			if err := p.tick(); err != nil {
				t.Error(err)
			}
		}
	})
	if _, live := p.openai.KeyLives(resp.Data["api_key"].(string)); !live {
		t.Error("the key was dead when it was handed out")
	}
	p.accounts(2)
}

func TestForcedConfigDeletionWaitsForAccountsThatAreBeingMade(t *testing.T) {
	for _, action := range []string{"slow", "slow-after"} {
		p := newPlace(t).configured()
		p.creds()
		resp := p.meanwhile(action, func() {
			p.must(logical.DeleteOperation, "config", map[string]any{"force": true})
		})
		p.accounts(0)
		if err := p.revoke(resp.Secret); err != nil {
			t.Errorf("%s: the lease that was given meanwhile cannot be revoked: %v", action, err)
		}
	}
}

func TestRenewedLeaseIsNotTakenForOverdue(t *testing.T) {
	p := newPlace(t).configured()
	secret := p.creds().Secret
	secret.IssueTime, secret.Increment = time.Now(), 5*time.Hour
	if _, err := p.HandleRequest(t.Context(), &logical.Request{
		Operation: logical.RenewOperation, Path: "creds/agent", Storage: p.storage, Secret: secret, MountPoint: "openai/",
	}); err != nil {
		t.Fatal(err)
	}
	p.restart()
	for _, c := range []struct {
		later time.Duration
		want  int
	}{{4 * time.Hour, 1}, {2 * time.Hour, 0}} {
		p.age(c.later)
		if err := p.tick(); err != nil {
			t.Error(err)
		}
		p.accounts(c.want)
	}
}

func TestKeyThatNobodyWaitsForIsNotKept(t *testing.T) {
	p := newPlace(t).configured()
	ctx, cancel := context.WithCancel(t.Context())
	writes := 0
	p.storage.written = func(key string) {
		if strings.HasPrefix(key, accountsPrefix) {
			if writes++; writes == 2 { // the entry has been completed, nothing is left to be done but to answer
				cancel()
			}
		}
	}
	resp, err := p.HandleRequest(ctx, &logical.Request{
		Operation: logical.ReadOperation, Path: "creds/agent", Storage: p.storage, MountPoint: "openai/",
	})
	if err == nil || writes != 2 {
		t.Errorf("answer %v, %v after %d writes", resp, err, writes)
	}
	p.accounts(0)
	if n := p.info("live_accounts"); n != 0 {
		t.Errorf("%v accounts in the ledger", n)
	}
}

func TestRevocationFreesThePlaceOfAnAccount(t *testing.T) {
	p := newPlace(t).configured()
	secret := p.creds().Secret
	if secret.TTL != time.Hour || secret.MaxTTL != 24*time.Hour || !secret.Renewable {
		t.Errorf("the lease is %+v", secret.LeaseOptions)
	}
	if err := p.revoke(secret); err != nil {
		t.Fatal(err)
	}
	p.restart()
	if n := p.info("live_accounts"); n != 0 {
		t.Errorf("%v accounts in the stored ledger", n)
	}
}
