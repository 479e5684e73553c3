// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

// place is one mount on a server, with an OpenAI of its own.
type place struct {
	*testing.T
	server *stand.Server
	openai *stand.OpenAI
	mount  string

	mu sync.Mutex
	// secrets are values that must not be in any log or error.
	secrets []string
	keys    map[string]string // lease id -> key
}

var mounts atomic.Int32

// everywhere runs a test on the shared server of each kind.
func everywhere(t *testing.T, test func(p *place)) {
	t.Parallel()
	for name, server := range shared {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newPlace(t, server))
		})
	}
}

// alone runs a test on a server of its own for each kind.
func alone(t *testing.T, o stand.ServerOptions, test func(p *place)) {
	t.Parallel()
	for name, binary := range binaries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := o
			o.Binary = binary
			server, err := startServer(t.TempDir(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(server.Stop)
			test(newPlace(t, server))
		})
	}
}

func newPlace(t *testing.T, server *stand.Server) *place {
	t.Helper()
	openai, err := stand.StartOpenAI()
	if err != nil {
		t.Fatal(err)
	}
	p := &place{
		T: t, server: server, openai: openai,
		mount:   fmt.Sprintf("openai-%d", mounts.Add(1)),
		secrets: []string{openai.AdminKey},
		keys:    map[string]string{},
	}
	t.Cleanup(openai.Close)
	t.Cleanup(p.logHoldsNoSecret)
	if err := server.Mount(p.mount, "openai", plugin); err != nil {
		t.Fatal(err)
	}
	return p
}

// configured mounts, configures and makes a role "agent".
func (p *place) configured(role map[string]any) *place {
	p.Helper()
	p.must("POST", "config", p.openai.Config())
	full := map[string]any{"project_id": stand.Project, "ttl": "15m", "max_ttl": "1h"}
	for k, v := range role {
		full[k] = v
	}
	p.must("POST", "roles/agent", full)
	return p
}

// try sends a request below the mount; no error of it may hold a secret.
func (p *place) try(method, path string, body any) stand.Reply {
	p.Helper()
	r, err := p.server.Do(method, p.mount+"/"+path, body)
	if err != nil {
		p.Fatalf("%s %s: %v", method, path, err)
	}
	p.errorHoldsNoSecret(r)
	return r
}

func (p *place) errorHoldsNoSecret(r stand.Reply) {
	p.Helper()
	for _, text := range slices.Concat(r.Errors, r.Warnings) {
		if p.holdsSecret([]byte(text)) {
			p.Errorf("an error holds a secret: %s", text)
		}
	}
}

func (p *place) must(method, path string, body any) stand.Reply {
	p.Helper()
	r := p.try(method, path, body)
	if r.Status >= 300 {
		p.Fatalf("%s %s: status %d: %v", method, path, r.Status, r.Errors)
	}
	return r
}

// refused sends a request that must fail with a text.
func (p *place) refused(method, path string, body any, status int, text string) {
	p.Helper()
	r := p.try(method, path, body)
	if said := strings.Join(r.Errors, "; "); r.Status != status || !strings.Contains(said, text) {
		p.Errorf("%s %s: status %d: %s; want %d with %q", method, path, r.Status, said, status, text)
	}
}

// creds reads credentials and remembers their key.
func (p *place) creds() stand.Reply {
	p.Helper()
	r := p.must("GET", "creds/agent", nil)
	p.remember(r)
	return r
}

// tryCreds is creds for a read that may fail.
func (p *place) tryCreds() stand.Reply {
	p.Helper()
	r := p.try("GET", "creds/agent", nil)
	if r.Status == 200 {
		p.remember(r)
	}
	return r
}

func (p *place) remember(r stand.Reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets = append(p.secrets, r.Text("api_key"))
	p.keys[r.LeaseID] = r.Text("api_key")
}

func (p *place) revoke(lease string) stand.Reply {
	p.Helper()
	r, err := p.server.Do("PUT", "sys/leases/revoke", map[string]any{"lease_id": lease, "sync": true})
	if err != nil {
		p.Fatal(err)
	}
	p.errorHoldsNoSecret(r)
	return r
}

func (p *place) fault(f simulator.Fault) {
	p.Helper()
	if err := p.openai.AddFaults(f); err != nil {
		p.Fatal(err)
	}
}

func (p *place) tidy() {
	p.Helper()
	p.must("POST", "tidy", map[string]any{"dry_run": false, "min_age": 0})
}

// leases lists the leases that the server has for this mount.
func (p *place) leases() map[string]bool {
	p.Helper()
	found := map[string]bool{}
	r, err := p.server.Do("LIST", "sys/leases/lookup/"+p.mount+"/creds/agent", nil)
	if err != nil {
		p.Fatal(err)
	}
	if keys, ok := r.Data["keys"].([]any); ok {
		for _, k := range keys {
			found[p.mount+"/creds/agent/"+k.(string)] = true
		}
	}
	return found
}

// balanced checks the law: as many accounts as leases, and a key lives exactly while its lease does.
func (p *place) balanced() {
	p.Helper()
	leases, state := p.leases(), p.openai.State()
	if len(leases) != len(state.Accounts) {
		p.Errorf("%d leases, %d accounts at OpenAI: %+v", len(leases), len(state.Accounts), state.Accounts)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for lease, key := range p.keys {
		if _, live := p.openai.KeyLives(key); live != leases[lease] {
			p.Errorf("lease %s: there %v, key live %v", lease, leases[lease], live)
		}
	}
}

// unmounted disables the mount and checks that nothing is left at OpenAI.
func (p *place) unmounted() {
	p.Helper()
	if err := p.server.Must("DELETE", "sys/mounts/"+p.mount, nil).Err; err != nil {
		p.Error(err)
	}
	if n := p.openai.State().LiveKeys; n != 0 {
		p.Errorf("%d keys live after the mount was disabled", n)
	}
}

// quiet waits until OpenAI works on no call any more, also on none whose caller has gone.
func (p *place) quiet() {
	p.Helper()
	p.until("OpenAI is at rest", patience, func() bool {
		p.openai.ResetRequests()
		return p.openai.State().Requests.InFlightPeak == 0
	})
}

// patience is how long a test waits for what takes moments on an idle machine.
const patience = time.Minute

// until waits for something that happens in the background of the server.
func (p *place) until(what string, limit time.Duration, done func() bool) {
	p.Helper()
	for end := time.Now().Add(limit); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// keyForm is the form of every key that the simulated OpenAI makes, also of those that no test ever gets to see.
var keyForm = regexp.MustCompile(`sk-(?:admin|svcacct)-[\w-]{32,}`)

func (p *place) holdsSecret(text []byte) bool {
	if keyForm.Match(text) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.secrets {
		if bytes.Contains(text, []byte(s)) || bytes.Contains(text, []byte(url.QueryEscape(s))) {
			return true
		}
	}
	return false
}

// logHoldsNoSecret reads all that the server and its plugins have logged, at level trace.
func (p *place) logHoldsNoSecret() {
	text, err := os.ReadFile(p.server.LogFile)
	if err != nil {
		p.Error(err)
	}
	if p.holdsSecret(text) {
		p.Errorf("the server's log %s holds a secret", p.server.LogFile)
	}
}
