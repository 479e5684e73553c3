// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"sync"
	"time"

	"pulumi-riptides/engine/openai"
)

// projectLife is how long creds trusts what it knows of a project.
const projectLife = 15 * time.Minute

type knownProject struct {
	openai.Project
	readAt time.Time
}

// projectCache spares creds a round trip: a project's name and status change rarely.
type projectCache struct {
	mu    sync.Mutex
	known map[string]knownProject
}

func (c *projectCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = nil
}

// unusable is a project that OpenAI does not have, or has not active.
type unusable struct{ reason string }

func (u unusable) Error() string { return u.reason }

// fetch reads a project at OpenAI; the error is unusable when no retry would help.
func (c *projectCache) fetch(ctx context.Context, s *session, id string) (openai.Project, error) {
	p, err := s.client.Project(ctx, id)
	if openai.Gone(err) {
		return p, unusable{fmt.Sprintf("organization %s has no project %q: %s", s.config.OrganizationID, id, err)}
	}
	if err != nil {
		return p, fmt.Errorf("OpenAI project validation failed: %w", err)
	}
	if p.Status != "active" {
		return p, unusable{fmt.Sprintf("OpenAI project %s is not active (status: %s)", id, p.Status)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string]knownProject{}
	}
	c.known[id] = knownProject{p, time.Now()}
	return p, nil
}

// get gives a project from memory, reading it when that is too old. An old answer is better than none when OpenAI
// cannot be asked: making the account will tell.
func (c *projectCache) get(ctx context.Context, s *session, id string) (openai.Project, error) {
	c.mu.Lock()
	p, have := c.known[id]
	c.mu.Unlock()
	if have && time.Since(p.readAt) < projectLife {
		return p.Project, nil
	}
	fresh, err := c.fetch(ctx, s, id)
	if _, final := err.(unusable); err != nil && have && !final {
		return p.Project, nil
	}
	return fresh, err
}
