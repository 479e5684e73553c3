// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"sync"
	"testing"
	"time"

	"pulumi-riptides/engine/stand"
	"pulumi-riptides/lab/simulator"
)

// plant makes an account at OpenAI that the mount knows nothing of.
func (p *place) plant(name string) {
	p.Helper()
	p.openai.Plant(stand.Project, name)
}

// atOnce runs a job count times with so many workers.
func atOnce(workers, count int, job func()) {
	var wait sync.WaitGroup
	jobs := make(chan struct{})
	for range workers {
		wait.Go(func() {
			for range jobs {
				job()
			}
		})
	}
	for range count {
		jobs <- struct{}{}
	}
	close(jobs)
	wait.Wait()
}

func TestTwoThousandShortLeasesEndWithoutALiveKey(t *testing.T) {
	alone(t, stand.ServerOptions{}, func(p *place) {
		p.configured(map[string]any{"ttl": "20s", "max_ttl": "20s"})
		atOnce(32, 2000, func() {
			if r := p.tryCreds(); r.Status != 200 {
				p.Errorf("creds are answered with %d: %v", r.Status, r.Errors)
			}
		})
		if peak := p.openai.State().Requests.InFlightPeak; peak > 16 {
			p.Errorf("OpenAI had %d calls at once, the engine allows itself 16", peak)
		}
		p.until("all keys are dead", 5*time.Minute, func() bool { return p.openai.State().LiveKeys == 0 })
		p.until("all leases are gone", 5*time.Minute, func() bool { return len(p.leases()) == 0 })
		p.balanced()
		if live := p.must("GET", "info", nil).Data["live_accounts"]; live != 0.0 {
			p.Errorf("the ledger still counts %v accounts", live)
		}
		p.unmounted()
	})
}

func TestThrottledRevocationsConverge(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		for range 40 {
			p.creds()
		}
		p.fault(simulator.Fault{Method: "DELETE", Path: accountPath, Action: "status", Status: 429, RetryAfter: "1", Times: 25})
		p.fault(simulator.Fault{Method: "DELETE", Path: accountPath, Action: "status", Status: 502, Times: 10})
		p.unmounted()
	})
}

func TestRotationsUnderLoadLoseNothing(t *testing.T) {
	everywhere(t, func(p *place) {
		p.configured(nil)
		ctx, stop := context.WithCancel(context.Background())
		var readers sync.WaitGroup
		for range 6 {
			readers.Go(func() {
				for ctx.Err() == nil {
					r := p.tryCreds()
					if r.Status != 200 {
						p.Errorf("creds during rotations are answered with %d: %v", r.Status, r.Errors)
						return
					}
					if v := p.revoke(r.LeaseID); v.Status != 204 {
						p.Errorf("a revocation during rotations is answered with %d: %v", v.Status, v.Errors)
						return
					}
				}
			})
		}
		atOnce(4, 16, func() {
			if r := p.try("POST", "config/rotate", nil); r.Status != 200 || len(r.Warnings) != 0 {
				p.Errorf("a rotation is answered with %d: %v %v", r.Status, r.Errors, r.Warnings)
			}
		})
		stop()
		readers.Wait()
		p.oneAdminKey()
		if _, live := p.openai.KeyLives(p.openai.AdminKey); live {
			p.Error("the first admin key is still alive")
		}
		p.balanced()
		p.unmounted()
	})
}
