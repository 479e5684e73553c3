// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"os"
	"testing"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

// Every test looks for keys in the server's log when it ends. This one makes the plugin log all it has to say, and
// checks that the look would have found something.
func TestNothingThatIsLoggedIsAKey(t *testing.T) {
	alone(t, stand.ServerOptions{}, func(p *place) {
		p.configured(nil)
		p.creds()
		p.must("POST", "config/rotate", nil)
		p.plant(p.must("GET", "info", nil).Data["account_prefix"].(string) + "lost")
		for _, f := range []simulator.Fault{
			{Method: "POST", Path: accountsPath, Action: "no-key"},
			{Method: "POST", Path: accountsPath, Action: "truncate"},
			{Method: "GET", Path: accountsPath, Action: "html", Status: 401},
		} {
			p.fault(f)
			p.tryCreds()
		}
		p.openai.ClearFaults()
		p.fault(simulator.Fault{Method: "POST", Path: adminsPath, Action: "truncate"})
		p.refused("POST", "config/rotate", nil, 500, "the old key stays in use")
		p.tidy()
		p.must("POST", "config/rotate", nil)
		p.unmounted()
		log, err := os.ReadFile(p.server.LogFile)
		if err != nil {
			p.Fatal(err)
		}
		for _, line := range []string{"[TRACE]", "rotated the admin key", "deleted an account without a lease", "deleted an admin key whose rotation was never completed"} {
			if !bytes.Contains(log, []byte(line)) {
				p.Errorf("the log has no %q: it does not show what the plugin says", line)
			}
		}
		if !p.holdsSecret([]byte("key="+p.openai.AdminKey)) || !p.holdsSecret([]byte("sk-admin-"+string(bytes.Repeat([]byte("x"), 48)))) {
			p.Error("a key in the log would not be noticed")
		}
	})
}
