// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

func TestConfigIsChecked(t *testing.T) {
	base := map[string]any{"admin_api_key": "sk-admin-x", "admin_api_key_id": "key_x", "organization_id": "org-x", "api_endpoint": "https://127.0.0.1:1/v1"}
	for _, c := range []struct {
		changes map[string]any
		want    string
	}{
		{map[string]any{"admin_api_key": ""}, "admin_api_key is required"},
		{map[string]any{"admin_api_key_id": ""}, "admin_api_key_id is required"},
		{map[string]any{"organization_id": ""}, "organization_id is required"},
		{map[string]any{"admin_api_key": "sk-admin-x\n"}, "look for a line break"},
		{map[string]any{"api_endpoint": "ftp://h/v1"}, `error validating OpenAI configuration: api_endpoint must use http or https (got "ftp")`},
		{map[string]any{"api_endpoint": "https:///v1"}, "must include a host"},
		{map[string]any{"api_endpoint": "https://:443/v1"}, "must include a host"},
		{map[string]any{"api_endpoint": "https://u:p@h/v1"}, "must not include userinfo"},
		{map[string]any{"api_endpoint": "https://h/v1?a=b"}, "must not include a query string"},
		{map[string]any{"api_endpoint": "https://h/v1#a"}, "must not include a fragment"},
		{map[string]any{"api_endpoint": "https://h:p/v1"}, "is not a valid URL"},
		{map[string]any{"api_endpoint": "http://127.0.0.1:1/v1"}, "must use https"},
		{map[string]any{"rotation_period": 3600, "rotation_schedule": "0 0 * * *"}, "mutually exclusive fields"},
		{map[string]any{"rotation_window": 3600}, "cannot use rotation_window without rotation_schedule"},
		{map[string]any{"rotation_schedule": "at noon"}, "failed to parse provided rotation_schedule"},
		{map[string]any{"rotation_period": 5}, "rotation_period must be at least 60s"},
		{map[string]any{"rotation_window": 5, "rotation_schedule": "0 0 * * *"}, "rotation_window must be at least 120s"},
		{map[string]any{"reconcile_period": 5}, "reconcile_period must be 0 (off) or at least 60s"},
		{map[string]any{"rotation_policy": "mine"}, "rotation_policy must be empty"},
		{map[string]any{"rotation_period": -5}, "negative"},
		{map[string]any{"nonsense": 1, "api_key": 2}, `unknown field "api_key", "nonsense" on config`},
	} {
		p := newPlace(t)
		p.refused(logical.UpdateOperation, "config", with(base, c.changes), c.want)
		if resp := p.must(logical.ReadOperation, "config", nil); resp != nil {
			t.Errorf("%v: something was stored: %v", c.changes, resp.Data)
		}
		if n := p.openai.State().Requests.Total; n != 0 {
			t.Errorf("%v: OpenAI was asked", c.changes)
		}
	}
}

func TestConfigMergesFieldsThatAreLeftOut(t *testing.T) {
	p := newPlace(t).configured()
	p.must(logical.UpdateOperation, "config", map[string]any{"rotation_period": "24h"})
	data := p.must(logical.ReadOperation, "config", nil).Data
	if data["rotation_period"] != int64(86400) || data["organization_id"] != stand.Organization || data["reconcile_period"] != int64(3600) {
		t.Errorf("config is %v", data)
	}
	p.must(logical.UpdateOperation, "config", map[string]any{"rotation_period": 0, "rotation_schedule": "0 3 * * 1", "rotation_window": "1h"})
	data = p.must(logical.ReadOperation, "config", nil).Data
	if data["rotation_period"] != int64(0) || data["rotation_schedule"] != "0 3 * * 1" || data["rotation_window"] != int64(3600) {
		t.Errorf("config is %v", data)
	}
}

func TestConfigIsStoredWithAWarningWhenOpenAICannotBeAsked(t *testing.T) {
	p := newPlace(t)
	p.openai.Close()
	resp := p.must(logical.UpdateOperation, "config", p.openai.Config())
	if resp == nil || !strings.Contains(strings.Join(resp.Warnings, ""), "admin_api_key could not be checked") {
		t.Errorf("answer %v", resp)
	}
}

func TestConfigWarnings(t *testing.T) {
	p := newPlace(t)
	warned := func(data map[string]any, want string) {
		t.Helper()
		resp := p.must(logical.UpdateOperation, "config", data)
		if resp == nil || !strings.Contains(strings.Join(resp.Warnings, ""), want) {
			t.Errorf("%v, want a warning with %q", resp, want)
		}
	}
	config := p.openai.Config()
	warned(with(config, map[string]any{"admin_api_key_id": "key_other"}), `OpenAI knows no admin key with admin_api_key_id "key_other"`)
	p.must(logical.UpdateOperation, "config", config)
	next := p.must(logical.UpdateOperation, "config/rotate", nil)
	if next.Data["admin_api_key_id"] == stand.AdminKeyID {
		t.Error("nothing was rotated")
	}
	// A second mount is given the key that this one has made for itself.
	key := p.current.config.AdminAPIKey
	other := &place{T: t, openai: p.openai, storage: &storage{}, system: p.system}
	other.restart()
	p, other = other, p
	warned(with(config, map[string]any{"admin_api_key": string(key), "admin_api_key_id": next.Data["admin_api_key_id"]}),
		"this admin key was made by a rotation of another mount")
	warned(map[string]any{"admin_api_key_id": "key_other"}, "1 other mount(s) use the same admin_api_key")
}

func TestRotationSaysWhenTheOldKeyWasNotTheOneWithItsID(t *testing.T) {
	p := newPlace(t)
	p.must(logical.UpdateOperation, "config", with(p.openai.Config(), map[string]any{"admin_api_key_id": "key_other"}))
	resp := p.must(logical.UpdateOperation, "config/rotate", nil)
	if !strings.Contains(strings.Join(resp.Warnings, ""), "OpenAI knows no admin key key_other") {
		t.Errorf("warnings %v", resp.Warnings)
	}
	if n := p.must(logical.ReadOperation, "info", nil).Data["retired_admin_keys"]; n != 0 {
		t.Errorf("%v keys are left to be deleted", n)
	}
}

func TestAnAdminKeyIsNotPrinted(t *testing.T) {
	c := &config{AdminAPIKey: "sk-admin-canary"}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s", c, *c, c, c.AdminAPIKey)} {
		if strings.Contains(text, "canary") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestRotationIsDue(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	written := at("2026-01-05T00:00:00Z")
	for _, c := range []struct {
		name   string
		config config
		now    string
		want   bool
	}{
		{"never", config{}, "2036-01-01T00:00:00Z", false},
		{"period not over", config{RotationPeriod: time.Hour}, "2026-01-05T00:59:59Z", false},
		{"period over", config{RotationPeriod: time.Hour}, "2026-01-05T01:00:00Z", true},
		{"period counts from the last rotation", config{RotationPeriod: time.Hour, LastRotated: at("2026-01-05T00:30:00Z")}, "2026-01-05T01:00:00Z", false},
		{"disabled", config{RotationPeriod: time.Hour, DisableRotation: true}, "2026-01-06T00:00:00Z", false},
		{"before the date", config{RotationSchedule: "0 3 * * *"}, "2026-01-05T02:59:59Z", false},
		{"after the date", config{RotationSchedule: "0 3 * * *"}, "2026-01-05T09:00:00Z", true},
		{"inside the window", config{RotationSchedule: "0 3 * * *", RotationWindow: time.Hour}, "2026-01-05T03:59:00Z", true},
		{"after the window", config{RotationSchedule: "0 3 * * *", RotationWindow: time.Hour}, "2026-01-05T04:00:01Z", false},
		{"done in this window", config{RotationSchedule: "0 3 * * *", RotationWindow: time.Hour, LastRotated: at("2026-01-05T03:01:00Z")}, "2026-01-05T03:30:00Z", false},
		{"next date", config{RotationSchedule: "0 3 * * *", RotationWindow: time.Hour, LastRotated: at("2026-01-05T03:01:00Z")}, "2026-01-06T03:00:00Z", true},
	} {
		c.config.WrittenAt = written
		if got := c.config.rotationDue(at(c.now)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestKeyInUseAgainIsNotDeletedAsALeftover(t *testing.T) {
	p := newPlace(t).configured()
	if err := p.openai.AddFaults(simulator.Fault{Method: "DELETE", Path: "admin_api_keys", Action: "status", Status: 403, Times: 1}); err != nil {
		t.Fatal(err)
	}
	p.must(logical.UpdateOperation, "config/rotate", nil)
	p.must(logical.UpdateOperation, "config", p.openai.Config())
	if err := p.tick(); err != nil {
		t.Error(err)
	}
	if _, live := p.openai.KeyLives(p.openai.AdminKey); !live {
		t.Error("the configured admin key was deleted")
	}
	p.creds()
}
