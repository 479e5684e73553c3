// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

func TestNewAdminKeyThatDoesNotWorkIsNeverPutInForce(t *testing.T) {
	p := newPlace(t).configured()
	p.fault(simulator.Fault{Method: "GET", Path: "admin_api_keys/", Action: "status", Status: 401, Times: -1})
	// A new key is tried for seconds; a request with less time tries as long as it may.
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err := p.HandleRequest(ctx, &logical.Request{
		Operation: logical.UpdateOperation, Path: "config/rotate", Storage: p.storage, MountPoint: "openai/",
	})
	if err == nil || !strings.Contains(err.Error(), "the old key stays in use: the new key does not work: API error (401)") {
		t.Errorf("error %v", err)
	}
	p.openai.ClearFaults()
	if keys := p.openai.State().AdminKeys; len(keys) != 1 || keys[0].ID != stand.AdminKeyID {
		t.Errorf("admin keys %+v, want the first one only", keys)
	}
	if id := p.must(logical.ReadOperation, "config", nil).Data["admin_api_key_id"]; id != stand.AdminKeyID {
		t.Errorf("%v is configured", id)
	}
	p.creds()
}

func TestPeriodicRotationDoesNotCutOffAMountWithTheSameKey(t *testing.T) {
	p := newPlace(t).configured()
	other := &place{T: t, openai: p.openai, storage: &storage{}, system: p.system}
	other.restart()
	other.configured()
	p.must(logical.UpdateOperation, "config", map[string]any{"rotation_period": "1h"})
	c := p.current.config.copy()
	c.WrittenAt = c.WrittenAt.Add(-time.Hour)
	if err := c.write(t.Context(), p.storage); err != nil {
		t.Fatal(err)
	}
	p.InvalidateKey(t.Context(), configKey)
	if err := p.tick(); err == nil || !strings.Contains(err.Error(), "periodic rotation is held back: 1 other mount(s) use the same admin_api_key") {
		t.Errorf("error %v", err)
	}
	other.creds()
	if text, _ := p.info("last_rotation_error").(string); !strings.Contains(text, "held back") {
		t.Errorf("info shows %q", text)
	}
}

func TestFormerAdminKeyThatCouldNotBeDeletedIsTriedAgain(t *testing.T) {
	p := newPlace(t).configured()
	p.fault(simulator.Fault{Method: "DELETE", Path: "admin_api_keys/", Action: "status", Status: 403, Times: 2})
	resp := p.must(logical.UpdateOperation, "config/rotate", nil)
	if !strings.Contains(strings.Join(resp.Warnings, ""), "the old admin key could not be deleted yet") {
		t.Errorf("warnings %v", resp.Warnings)
	}
	p.restart()
	if err := p.tick(); err == nil || p.info("retired_admin_keys") != 1 {
		t.Errorf("%v, %v keys are left to be deleted, want 1", err, p.info("retired_admin_keys"))
	}
	if text, _ := p.info("last_cleanup_error").(string); !strings.Contains(text, "API error (403)") {
		t.Errorf("info shows %q", text)
	}
	if err := p.tick(); err != nil || p.info("retired_admin_keys") != 0 || p.info("last_cleanup_error") != nil {
		t.Errorf("%v, info shows %v and %v", err, p.info("retired_admin_keys"), p.info("last_cleanup_error"))
	}
	if keys := p.openai.State().AdminKeys; len(keys) != 1 || keys[0].ID != resp.Data["admin_api_key_id"] {
		t.Errorf("admin keys %+v", keys)
	}
}
