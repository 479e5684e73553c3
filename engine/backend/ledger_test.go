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

func (p *place) info(field string) any {
	p.Helper()
	return p.must(logical.ReadOperation, "info", nil).Data[field]
}

func (p *place) fault(f simulator.Fault) {
	p.Helper()
	if err := p.openai.AddFaults(f); err != nil {
		p.Fatal(err)
	}
}

// lose makes an account whose creation has no answer and cannot be looked for at once.
func (p *place) lose() {
	p.Helper()
	p.fault(simulator.Fault{Method: "POST", Path: "service_accounts$", Action: "drop-after"})
	p.fault(simulator.Fault{Method: "GET", Path: "service_accounts$", Action: "status", Status: 500})
	p.refused(logical.ReadOperation, "creds/agent", nil, "error creating service account: no answer from OpenAI")
}

func TestLedgerSurvivesARestartAndAnInvalidation(t *testing.T) {
	p := newPlace(t).configured()
	secret := p.creds().Secret
	p.creds()
	p.restart()
	if n := p.info("live_accounts"); n != 2 {
		t.Errorf("%v accounts after a restart, want 2", n)
	}
	// Another node removes an entry and changes the configuration.
	if err := p.storage.InmemStorage.Delete(t.Context(), accountsPrefix+secret.InternalData["ref"].(string)); err != nil {
		t.Fatal(err)
	}
	p.InvalidateKey(t.Context(), accountsPrefix+secret.InternalData["ref"].(string))
	if n := p.info("live_accounts"); n != 1 {
		t.Errorf("%v accounts after an invalidation, want 1", n)
	}
	before := p.current
	p.InvalidateKey(t.Context(), configKey)
	p.creds()
	if p.current == before {
		t.Error("the configuration of before is still in force")
	}
	const theirs = "rt-abcd2345-"
	if err := p.storage.Put(t.Context(), &logical.StorageEntry{Key: markKey, Value: []byte(theirs)}); err != nil {
		t.Fatal(err)
	}
	p.InvalidateKey(t.Context(), markKey)
	if name := p.creds().Data["service_account"].(string); !strings.HasPrefix(name, theirs) {
		t.Errorf("after another node's mark the account is %s", name)
	}
}

func TestNothingIsMadeThatCannotBeWrittenDownFirst(t *testing.T) {
	p := newPlace(t).configured()
	p.storage.breakdown(true)
	p.refused(logical.ReadOperation, "creds/agent", nil, "storing the write-ahead entry: barrier is sealed")
	p.accounts(0)
	if n := p.openai.State().Requests.By["POST /v1/organization/projects/{project}/service_accounts"]; n != 0 {
		t.Error("OpenAI was asked for an account")
	}
}

func TestAccountIsDeletedWhenItsEntryCannotBeCompleted(t *testing.T) {
	p := newPlace(t).configured()
	p.storage.breakdownAfter(1)
	p.refused(logical.ReadOperation, "creds/agent", nil, "storing the ledger entry: barrier is sealed")
	if n := p.openai.State().Requests.By["POST /v1/organization/projects/{project}/service_accounts"]; n != 1 {
		t.Errorf("%d accounts were made, want one that is deleted again", n)
	}
	p.accounts(0)
	p.storage.breakdown(false)
	p.restart()
	p.age(pendingAge)
	if err := p.tick(); err != nil || p.info("live_accounts") != 0 {
		t.Errorf("after the next clean-up: %v, %v accounts", err, p.info("live_accounts"))
	}
}

func TestRevocationGoesOnWithBrokenStorage(t *testing.T) {
	p := newPlace(t).configured()
	secret := p.creds().Secret
	p.storage.breakdown(true)
	if err := p.revoke(secret); err != nil {
		t.Error(err)
	}
	p.accounts(0)
	p.storage.breakdown(false)
	if err := p.revoke(secret); err != nil {
		t.Errorf("revoked twice: %v", err)
	}
}

func TestRevocationOfALeaseFromAnotherEngine(t *testing.T) {
	p := newPlace(t).configured()
	a := p.openai.Plant(stand.Project, "vault-agent-old")
	secret := &logical.Secret{InternalData: map[string]any{
		"secret_type": keySecretType, "api_key_id": a.KeyID, "service_account_id": a.ID, "project_id": stand.Project,
	}}
	if err := p.revoke(secret); err != nil {
		t.Error(err)
	}
	p.accounts(0)
	secret.InternalData["project_id"] = nil
	if err := p.revoke(secret); err == nil {
		t.Error("a lease without a project was revoked")
	}
}

func TestUnconfiguredMountKeepsLeasesItCannotRevoke(t *testing.T) {
	p := newPlace(t).configured()
	secret := p.creds().Secret
	config, err := p.storage.Get(t.Context(), configKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.storage.Delete(t.Context(), configKey); err != nil {
		t.Fatal(err)
	}
	p.restart()
	if err := p.revoke(secret); err == nil || !strings.Contains(err.Error(), "write openai/config again") {
		t.Errorf("error %v", err)
	}
	if err := p.storage.Put(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := p.revoke(secret); err != nil {
		t.Error(err)
	}
	p.accounts(0)
}

func TestTickSettlesOnlyWhatCanNoLongerTakeEffect(t *testing.T) {
	p := newPlace(t).configured()
	p.lose()
	p.restart()
	if err := p.tick(); err != nil {
		t.Error(err)
	}
	p.accounts(1)
	if n := p.info("pending_accounts"); n != 1 {
		t.Errorf("%v pending, want 1", n)
	}
	p.age(pendingAge)
	if err := p.tick(); err != nil {
		t.Error(err)
	}
	p.accounts(0)
	if n := p.info("pending_accounts"); n != 0 {
		t.Errorf("%v pending, want 0", n)
	}
}

// An error page of a gateway says nothing about OpenAI, which may still be at work: the account that appears after it
// is found by its name, and at first sight.
func TestAccountMadeBehindAGatewaysErrorIsDeleted(t *testing.T) {
	for _, fault := range []simulator.Fault{
		{Action: "html", Status: 502}, {Action: "html", Status: 504}, {Action: "status", Status: 504}, {Action: "html", Status: 200},
	} {
		p := newPlace(t).configured()
		fault.Method, fault.Path = "POST", "service_accounts$"
		p.fault(fault)
		p.refused(logical.ReadOperation, "creds/agent", nil, "error creating service account")
		entries, err := p.ledger.idle(t.Context(), p.storage)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%s %d: entries %v, %v; want one without an outcome", fault.Action, fault.Status, entries, err)
		}
		p.openai.Plant(stand.Project, entries[0].Name)
		p.age(pendingAge)
		if err := p.tick(); err != nil {
			t.Error(err)
		}
		p.accounts(0)
		if n := p.info("pending_accounts"); n != 0 {
			t.Errorf("%v pending, want 0", n)
		}
	}
}

func TestCreationThatOpenAIHasRefusedLeavesNoEntry(t *testing.T) {
	for _, status := range []int{400, 403, 429, 500, 503} {
		p := newPlace(t).configured()
		p.fault(simulator.Fault{Method: "POST", Path: "service_accounts$", Action: "status", Status: status, RetryAfter: "3600"})
		p.refused(logical.ReadOperation, "creds/agent", nil, "error creating service account")
		if n := p.info("pending_accounts"); n != 0 {
			t.Errorf("status %d: %v pending, want 0", status, n)
		}
		p.accounts(0)
	}
}

func TestPendingAccountsCountAgainstMaxLive(t *testing.T) {
	p := newPlace(t).configured()
	p.must(logical.UpdateOperation, "roles/agent", map[string]any{"max_live": 1})
	p.lose()
	p.refused(logical.ReadOperation, "creds/agent", nil, `role "agent" has 1 live accounts, and its max_live is 1`)
	p.must(logical.UpdateOperation, "tidy", map[string]any{"dry_run": false, "min_age": 0})
	p.creds()
	p.accounts(1)
}

func TestTickDeletesWhatHasOutlivedItsLease(t *testing.T) {
	p := newPlace(t).configured()
	secret := p.creds().Secret
	p.age(secret.TTL + overdueGrace/2)
	if err := p.tick(); err != nil {
		t.Error(err)
	}
	p.accounts(1)
	if n := p.info("overdue_accounts"); n != 1 {
		t.Errorf("%v overdue, want 1", n)
	}
	p.age(overdueGrace)
	if err := p.tick(); err != nil {
		t.Error(err)
	}
	p.accounts(0)
	if err := p.revoke(secret); err != nil {
		t.Errorf("the server's late revocation: %v", err)
	}
}

func TestReconcileDeletesAtSecondSightOnly(t *testing.T) {
	p := newPlace(t).configured()
	p.creds()
	p.openai.Plant(stand.Project, p.info("account_prefix").(string)+"lost")
	p.openai.Plant(stand.Project, "made by hand")
	for _, want := range []int{3, 3, 2, 2} {
		p.upkeep.mu.Lock()
		if want == 2 || p.upkeep.lastReconcile.IsZero() {
			p.upkeep.lastReconcile = time.Time{}
		}
		p.upkeep.mu.Unlock()
		if err := p.tick(); err != nil {
			t.Error(err)
		}
		p.accounts(want)
	}
	p.must(logical.UpdateOperation, "config", map[string]any{"reconcile_period": 0})
	p.openai.ResetRequests()
	p.upkeep.lastReconcile = time.Time{}
	if err := p.tick(); err != nil {
		t.Error(err)
	}
	if n := p.openai.State().Requests.Total; n != 0 {
		t.Errorf("with reconcile_period 0 and nothing to settle OpenAI was asked %d times", n)
	}
}

func TestFailedPeriodicRotationWaitsBeforeTheNext(t *testing.T) {
	p := newPlace(t).configured()
	p.must(logical.UpdateOperation, "config", map[string]any{"rotation_period": "1h", "reconcile_period": 0})
	c := p.current.config.copy()
	c.WrittenAt = c.WrittenAt.Add(-time.Hour)
	if err := c.write(t.Context(), p.storage); err != nil {
		t.Fatal(err)
	}
	p.restart()
	p.fault(simulator.Fault{Method: "POST", Path: "admin_api_keys", Action: "status", Status: 403})
	if err := p.tick(); err == nil || !strings.Contains(err.Error(), "the old key stays in use") {
		t.Errorf("error %v", err)
	}
	if text, _ := p.info("last_rotation_error").(string); !strings.Contains(text, "API error (403)") {
		t.Errorf("info shows %q", text)
	}
	if err := p.tick(); err != nil || p.info("last_rotated") != nil {
		t.Errorf("the next rotation did not wait: %v", err)
	}
	p.upkeep.nextRotation = time.Time{}
	if err := p.tick(); err != nil || p.info("last_rotated") == nil || p.info("last_rotation_error") != nil {
		t.Errorf("%v, info %v", err, p.info("last_rotation_error"))
	}
	if n := len(p.openai.State().AdminKeys); n != 1 {
		t.Errorf("%d admin keys", n)
	}
}

func TestRotationThatCannotBeStoredKeepsTheOldKey(t *testing.T) {
	p := newPlace(t).configured()
	p.storage.breakdownAfter(1)
	p.refused(logical.UpdateOperation, "config/rotate", nil, "storing the new admin key: barrier is sealed")
	if n := p.openai.State().Requests.By["POST /v1/organization/admin_api_keys"]; n != 1 {
		t.Errorf("%d admin keys were made, want 1", n)
	}
	p.storage.breakdown(false)
	p.must(logical.UpdateOperation, "tidy", map[string]any{"dry_run": false})
	if keys := p.openai.State().AdminKeys; len(keys) != 1 || keys[0].ID != stand.AdminKeyID {
		t.Errorf("admin keys %+v", keys)
	}
	p.creds()
}
