// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"testing"
	"time"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

func TestServerRotatesAndCleansUpByItself(t *testing.T) {
	alone(t, stand.ServerOptions{}, func(p *place) {
		config := p.openai.Config()
		config["rotation_schedule"] = "* * * * *"
		p.must("POST", "config", config)
		p.configured(nil)
		p.fault(simulator.Fault{Method: "DELETE", Path: adminPath, Action: "status", Status: 403, Times: 1})
		p.until("the schedule has rotated the admin key", 5*time.Minute, func() bool {
			return p.must("GET", "config", nil).Data["last_rotated"] != nil
		})
		p.must("POST", "config", map[string]any{"disable_automated_rotation": true})
		if n := p.must("GET", "info", nil).Data["retired_admin_keys"]; n != 1.0 {
			p.Errorf("info counts %v admin keys that are still to be deleted", n)
		}
		p.until("the key that could not be deleted is gone", 5*time.Minute, func() bool {
			return len(p.openai.State().AdminKeys) == 1
		})
		p.creds()
		p.balanced()
		p.unmounted()
	})
}
