// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
)

func TestEveryOperationRefusesWhatItDoesNotTake(t *testing.T) {
	p := newPlace(t).configured()
	for _, c := range []struct {
		operation logical.Operation
		path      string
		data      map[string]any
		want      string
	}{
		{logical.UpdateOperation, "config", map[string]any{"orgnization_id": "x"}, `unknown field "orgnization_id" on config: it takes admin_api_key, `},
		{logical.UpdateOperation, "config", map[string]any{"force": true}, `unknown field "force" on config`},
		{logical.ReadOperation, "config", map[string]any{"verbose": 1}, `unknown field "verbose" on config: it takes none`},
		{logical.ReadOperation, "config", map[string]any{"force": true}, `unknown field "force" on config: it takes none`},
		{logical.DeleteOperation, "config", map[string]any{"forced": true}, `unknown field "forced" on config: it takes force`},
		{logical.UpdateOperation, "config/rotate", map[string]any{"name": "x"}, `unknown field "name" on config/rotate: it takes force`},
		{logical.ListOperation, "roles/", map[string]any{"limit": 1}, `unknown field "limit" on roles/: it takes none`},
		{logical.UpdateOperation, "roles/agent", map[string]any{"tll": "5m"}, `unknown field "tll" on roles/agent: it takes max_live, max_ttl, name, `},
		{logical.ReadOperation, "roles/agent", map[string]any{"ttl": "5m"}, `unknown field "ttl" on roles/agent: it takes name`},
		{logical.DeleteOperation, "roles/agent", map[string]any{"force": true}, `unknown field "force" on roles/agent`},
		{logical.ReadOperation, "creds/agent", map[string]any{"tll": "5m"}, `unknown field "tll" on creds/agent: it takes name, ttl`},
		{logical.UpdateOperation, "tidy", map[string]any{"dryrun": true}, `unknown field "dryrun" on tidy: it takes dry_run, min_age, prefix`},
		{logical.ReadOperation, "info", map[string]any{"live": true}, `unknown field "live" on info: it takes none`},
		// A time that would be rounded to nothing is as good as a misspelt one.
		{logical.UpdateOperation, "roles/agent", map[string]any{"ttl": "500ms"}, "ttl must be whole seconds (got 500ms)"},
		{logical.UpdateOperation, "roles/agent", map[string]any{"max_ttl": "1h0m0.5s"}, "max_ttl must be whole seconds (got 1h0m0.5s)"},
		{logical.UpdateOperation, "config", map[string]any{"reconcile_period": "90.5s"}, "reconcile_period must be whole seconds"},
		{logical.ReadOperation, "creds/agent", map[string]any{"ttl": "200ms"}, "ttl must be whole seconds (got 200ms)"},
		{logical.ReadOperation, "creds/agent", map[string]any{"ttl": "0"}, "ttl must be at least 1s; leave it out for the role's ttl"},
		{logical.ReadOperation, "creds/agent", map[string]any{"ttl": ""}, "ttl must be at least 1s"},
		{logical.ReadOperation, "creds/agent", map[string]any{"ttl": "-5"}, "cannot provide negative value '-5'"},
		{logical.ReadOperation, "creds/agent", map[string]any{"ttl": "soon"}, `"ttl"`},
	} {
		p.refused(c.operation, c.path, c.data, c.want)
	}
	p.accounts(0)
	if ttl := p.must(logical.ReadOperation, "roles/agent", nil).Data["ttl"]; ttl != int64(3600) {
		t.Errorf("a refused write changed ttl to %v", ttl)
	}
}
