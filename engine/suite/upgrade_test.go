// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"testing"

	"pulumi-riptides/engine/stand"
)

func TestUpgradeKeepsLeases(t *testing.T) {
	alone(t, stand.ServerOptions{}, func(p *place) {
		next, err := stand.BuildPlugin(pluginDir, "openai-next", "9.9.9", "")
		if err != nil {
			p.Fatal(err)
		}
		p.configured(map[string]any{"max_live": 2})
		lease := p.creds().LeaseID
		if err := p.server.Register("openai", next); err != nil {
			p.Fatal(err)
		}
		for _, step := range []struct {
			path string
			body map[string]any
		}{
			{"sys/mounts/" + p.mount + "/tune", map[string]any{"plugin_version": "v9.9.9"}},
			{"sys/plugins/reload/backend", map[string]any{"mounts": []string{p.mount + "/"}}},
		} {
			if err := p.server.Must("POST", step.path, step.body).Err; err != nil {
				p.Fatal(err)
			}
		}
		if err := p.server.Must("DELETE", "sys/plugins/catalog/secret/openai?version=v"+plugin.Version, nil).Err; err != nil {
			p.Fatal(err)
		}
		if v := p.must("GET", "info", nil).Data; v["version"] != "9.9.9" || v["live_accounts"] != 1.0 {
			p.Errorf("after the upgrade info is %v", v)
		}
		p.creds()
		p.refused("GET", "creds/agent", nil, 400, "and its max_live is 2")
		if r := p.revoke(lease); r.Status != 204 {
			p.Errorf("a lease of the version before cannot be revoked: %v", r.Errors)
		}
		p.balanced()
		p.unmounted()
	})
}
