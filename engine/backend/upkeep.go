// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

// longestRotationPause bounds the pause after failed periodic rotations.
const longestRotationPause = time.Hour

// upkeep remembers, in memory, what periodic work has found and done.
type upkeep struct {
	mu               sync.Mutex
	lastReconcile    time.Time
	suspects         map[string]bool
	rotationFailures int
	rotationError    string
	nextRotation     time.Time
	cleanupError     string
}

// confirmSuspects gives the orphans that the last run has seen too, and remembers all of them for the next.
func (u *upkeep) confirmSuspects(orphans []orphan) []orphan {
	u.mu.Lock()
	defer u.mu.Unlock()
	var sure []orphan
	seen := map[string]bool{}
	for _, o := range orphans {
		if u.suspects[o.ID] {
			sure = append(sure, o)
		}
		seen[o.ID] = true
	}
	u.suspects = seen
	return sure
}

func (u *upkeep) reconcileDue(period time.Duration, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if period == 0 || now.Sub(u.lastReconcile) < period {
		return false
	}
	u.lastReconcile = now
	return true
}

// rotated notes how a rotation ended; after failures the next periodic one waits longer and longer.
func (u *upkeep) rotated(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		u.rotationFailures, u.rotationError, u.nextRotation = 0, "", time.Time{}
		return
	}
	pause := min(time.Minute<<min(u.rotationFailures, 6), longestRotationPause)
	u.rotationFailures++
	u.rotationError = err.Error()
	u.nextRotation = time.Now().Add(pause)
}

func (u *upkeep) mayRotate(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !now.Before(u.nextRotation)
}

func (u *upkeep) cleaned(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cleanupError = ""
	if err != nil {
		u.cleanupError = err.Error()
	}
}

// periodic runs about once a minute on the node that may write, and once more when the mount is being disabled.
func (m *mount) periodic(ctx context.Context, req *logical.Request) error {
	if !m.WriteSafeReplicationState() {
		return nil
	}
	s, err := m.begin(ctx, req.Storage)
	if err == errNotConfigured {
		return nil
	}
	if err != nil {
		return err
	}
	if m.System().Tainted() {
		// The server revokes all leases next; what has no lease must go now, with the storage that knows of it.
		err := errors.Join(m.deleteAll(ctx, req.Storage, s), m.deleteUnknown(ctx, req.Storage, s))
		s.end()
		return errors.Join(err, m.finishRotation(ctx, req.Storage))
	}
	err = errors.Join(m.settle(ctx, req.Storage, s, pendingAge), m.deleteOverdue(ctx, req.Storage, s))
	if m.upkeep.reconcileDue(s.config.ReconcilePeriod, time.Now()) {
		err = errors.Join(err, m.reconcile(ctx, req.Storage, s))
	}
	s.end()
	err = errors.Join(err, m.finishRotation(ctx, req.Storage), m.rotateIfDue(ctx, req.Storage))
	m.upkeep.cleaned(err)
	return err
}

// finishRotation deletes admin keys that rotations have left behind.
func (m *mount) finishRotation(ctx context.Context, storage logical.Storage) error {
	m.rewriting.Lock()
	defer m.rewriting.Unlock()
	s, err := m.begin(ctx, storage)
	if err == errNotConfigured {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.end()
	return m.settleRotation(ctx, storage, s)
}

func (m *mount) rotateIfDue(ctx context.Context, storage logical.Storage) error {
	m.rewriting.Lock()
	defer m.rewriting.Unlock()
	s, err := m.load(ctx, storage)
	if err != nil || s == nil {
		return err
	}
	if now := time.Now(); !s.config.rotationDue(now) || !m.upkeep.mayRotate(now) {
		return nil
	}
	if n := adminKeysInUse.others(m, s.config.AdminAPIKey); n > 0 {
		err := fmt.Errorf("periodic rotation is held back: %s", sharedWarning(n))
		m.upkeep.rotated(err)
		return err
	}
	_, warnings, err := m.rotate(ctx, storage)
	m.upkeep.rotated(err)
	for _, w := range warnings {
		m.Logger().Warn(w)
	}
	return err
}
