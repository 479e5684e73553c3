// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/rotation"
)

const (
	configKey              = "config"
	defaultEndpoint        = "https://api.openai.com/v1"
	defaultReconcilePeriod = time.Hour
)

// secret is text that must not be printed.
type secret string

func (secret) String() string   { return "[secret]" }
func (secret) GoString() string { return "[secret]" }

// config is the stored configuration of a mount.
type config struct {
	AdminAPIKey           secret        `json:"admin_api_key"`
	AdminAPIKeyID         string        `json:"admin_api_key_id"`
	OrganizationID        string        `json:"organization_id"`
	APIEndpoint           string        `json:"api_endpoint"`
	AllowInsecureEndpoint bool          `json:"allow_insecure_endpoint"`
	RotationPeriod        time.Duration `json:"rotation_period"`
	RotationSchedule      string        `json:"rotation_schedule"`
	RotationWindow        time.Duration `json:"rotation_window"`
	DisableRotation       bool          `json:"disable_automated_rotation"`
	ReconcilePeriod       time.Duration `json:"reconcile_period"`
	LastRotated           time.Time     `json:"last_rotated"`
	// WrittenAt is when rotation starts to count before the first one.
	WrittenAt time.Time `json:"written_at"`
	// Retired are ids of former admin keys that OpenAI has not confirmed as deleted.
	Retired []string `json:"retired,omitempty"`
}

func readConfig(ctx context.Context, storage logical.Storage) (*config, error) {
	entry, err := storage.Get(ctx, configKey)
	if err != nil || entry == nil {
		return nil, err
	}
	c := &config{ReconcilePeriod: defaultReconcilePeriod}
	if err := entry.DecodeJSON(c); err != nil {
		// The decoder's text could quote the entry.
		return nil, errors.New("the stored configuration is damaged")
	}
	return c, nil
}

func (c *config) write(ctx context.Context, storage logical.Storage) error {
	entry, err := logical.StorageEntryJSON(configKey, c)
	if err != nil {
		return err
	}
	return storage.Put(ctx, entry)
}

func (c *config) copy() *config {
	d := *c
	d.Retired = slices.Clone(c.Retired)
	return &d
}

// check gives the first thing that is wrong, named by its field.
func (c *config) check() error {
	switch {
	case c.AdminAPIKey == "":
		return errors.New("admin_api_key is required")
	case c.AdminAPIKeyID == "":
		return errors.New("admin_api_key_id is required")
	case c.OrganizationID == "":
		return errors.New("organization_id is required")
	case strings.ContainsFunc(string(c.AdminAPIKey)+c.OrganizationID+c.AdminAPIKeyID, unfitForHeader):
		return errors.New("admin_api_key, admin_api_key_id and organization_id must be printable ASCII without spaces: " +
			"look for a line break at the end of a value read from a file")
	}
	if err := checkEndpoint(c.APIEndpoint, c.AllowInsecureEndpoint); err != nil {
		return fmt.Errorf("error validating OpenAI configuration: %w", err)
	}
	return c.checkRotation()
}

func unfitForHeader(r rune) bool { return r <= ' ' || r > '~' }

func (c *config) checkRotation() error {
	switch {
	case c.RotationSchedule != "" && c.RotationPeriod != 0:
		return errors.New("mutually exclusive fields rotation_schedule and rotation_period were both specified; only one of them can be provided")
	case c.RotationWindow != 0 && c.RotationSchedule == "":
		return errors.New("cannot use rotation_window without rotation_schedule")
	case c.RotationPeriod != 0 && c.RotationPeriod < time.Minute:
		return errors.New("rotation_period must be at least 60s: the server looks for due rotations once a minute")
	case c.RotationWindow != 0 && c.RotationWindow < 2*time.Minute:
		return errors.New("rotation_window must be at least 120s: the server looks for due rotations once a minute")
	case c.ReconcilePeriod != 0 && c.ReconcilePeriod < time.Minute:
		return errors.New("reconcile_period must be 0 (off) or at least 60s")
	}
	if c.RotationSchedule != "" {
		if _, err := rotation.DefaultScheduler.Parse(c.RotationSchedule); err != nil {
			return fmt.Errorf("failed to parse provided rotation_schedule: %w", err)
		}
	}
	return nil
}

func checkEndpoint(endpoint string, insecure bool) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("api_endpoint is not a valid URL")
	case u.User != nil:
		return errors.New("api_endpoint must not include userinfo")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("api_endpoint must use http or https (got %q)", u.Scheme)
	case u.Hostname() == "":
		return errors.New("api_endpoint must include a host")
	case u.RawQuery != "" || u.ForceQuery:
		return errors.New("api_endpoint must not include a query string")
	case u.Fragment != "":
		return errors.New("api_endpoint must not include a fragment")
	case u.Scheme == "http" && !insecure:
		return errors.New("api_endpoint must use https: the admin key would travel in clear; " +
			"allow_insecure_endpoint=true permits http for tests")
	}
	return nil
}

// rotates tells whether a periodic rotation is asked for.
func (c *config) rotates() bool {
	return !c.DisableRotation && (c.RotationPeriod != 0 || c.RotationSchedule != "")
}

// rotationDue tells whether a rotation should run now.
func (c *config) rotationDue(now time.Time) bool {
	if !c.rotates() {
		return false
	}
	since := c.LastRotated
	if c.WrittenAt.After(since) {
		since = c.WrittenAt
	}
	if c.RotationPeriod != 0 {
		return !now.Before(since.Add(c.RotationPeriod))
	}
	schedule, err := rotation.DefaultScheduler.Parse(c.RotationSchedule)
	if err != nil {
		return false
	}
	// A run that was missed by more than the window waits for the next date.
	if opened := now.Add(-c.RotationWindow); c.RotationWindow != 0 && opened.After(since) {
		since = opened
	}
	return !now.Before(schedule.Next(since))
}

// show gives the read-back form: durations as whole seconds, never the key.
func (c *config) show() map[string]any {
	data := map[string]any{
		"admin_api_key_id":           c.AdminAPIKeyID,
		"organization_id":            c.OrganizationID,
		"api_endpoint":               c.APIEndpoint,
		"allow_insecure_endpoint":    c.AllowInsecureEndpoint,
		"rotation_period":            seconds(c.RotationPeriod),
		"rotation_schedule":          c.RotationSchedule,
		"rotation_window":            seconds(c.RotationWindow),
		"rotation_policy":            "",
		"disable_automated_rotation": c.DisableRotation,
		"reconcile_period":           seconds(c.ReconcilePeriod),
	}
	if !c.LastRotated.IsZero() {
		data["last_rotated"] = c.LastRotated.UTC().Format(time.RFC3339)
	}
	return data
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
