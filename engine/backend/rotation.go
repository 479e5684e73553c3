// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"pulumi-riptides/engine/openai"
)

const (
	// newKeysPrefix holds the names of admin keys that were being made: the write-ahead entries of rotation.
	newKeysPrefix = "new-admin-keys/"
	adminInfix    = "admin-"
	// checkBudget covers the time until a new key is known everywhere at OpenAI.
	checkBudget  = 10 * time.Second
	retireBudget = 5 * time.Second
)

type newKey struct {
	StartedAt time.Time `json:"started_at"`
}

// markOf gives the mark in the name of an admin key that a rotation has made, "" for any other.
func markOf(name string) string {
	i := strings.Index(name, "-"+adminInfix)
	if i < 0 || !markPattern.MatchString(name[:i+1]) {
		return ""
	}
	return name[:i+1]
}

// rotate replaces the admin key: make a new one, see that it works, store it, let calls with the old one end, delete
// the old one. It fails only while the old key is still in force; what cannot be deleted afterwards is a warning and
// is tried again by the periodic clean-up. The caller holds rewriting.
func (m *mount) rotate(ctx context.Context, storage logical.Storage) (after *config, warnings []string, err error) {
	s, err := m.begin(ctx, storage)
	if err != nil {
		return nil, nil, err
	}
	ended := false
	end := func() {
		if !ended {
			ended = true
			s.end()
		}
	}
	defer end()
	mark, err := m.mark(ctx, storage)
	if err != nil {
		return nil, nil, err
	}
	name := mark + adminInfix + newSuffix()
	entry, err := logical.StorageEntryJSON(newKeysPrefix+name, newKey{time.Now().UTC()})
	if err != nil {
		return nil, nil, err
	}
	if err := storage.Put(ctx, entry); err != nil {
		return nil, nil, fmt.Errorf("storing the write-ahead entry: %w", err)
	}
	made, err := m.makeAdminKey(ctx, s, name)
	if err != nil {
		return nil, nil, errors.Join(err, m.undoAdminKey(ctx, storage, s, name, made.ID, err))
	}
	after = s.config.copy()
	after.AdminAPIKey, after.AdminAPIKeyID = secret(made.Value), made.ID
	after.LastRotated = time.Now().UTC().Truncate(time.Second)
	after.Retired = append(after.Retired, s.config.AdminAPIKeyID)
	if err := after.write(ctx, storage); err != nil {
		stored, again := readConfig(ctx, storage)
		switch {
		case again != nil:
			// What is stored cannot be known now: the write-ahead entry stays and settles it later.
			return nil, nil, fmt.Errorf("storing the new admin key: %w", err)
		case stored == nil || stored.AdminAPIKeyID != made.ID:
			return nil, nil, errors.Join(fmt.Errorf("storing the new admin key: %w", err), m.undoAdminKey(ctx, storage, s, name, made.ID, nil))
		}
	}
	m.replace(after)
	end()
	m.Logger().Info("rotated the admin key", "admin_api_key_id", after.AdminAPIKeyID)
	if err := storage.Delete(ctx, newKeysPrefix+name); err != nil {
		warnings = append(warnings, "the write-ahead entry of this rotation is left for the next clean-up: "+err.Error())
	}
	if !s.ended(ctx) {
		return after, append(warnings, "calls with the old admin key are still running; it is deleted later"), nil
	}
	next, unknown, err := m.retire(ctx, storage, after)
	if err != nil {
		warnings = append(warnings, "the old admin key could not be deleted yet and is tried again every minute: "+err.Error())
	}
	for _, id := range unknown {
		warnings = append(warnings, fmt.Sprintf("OpenAI knows no admin key %s: unless somebody has deleted it, admin_api_key_id was not the id of "+
			"the old key, and that key still works: delete it at OpenAI", id))
	}
	return next, warnings, nil
}

// ended waits until the last call of a session that is no longer in force has ended; false when ctx ended first.
func (s *session) ended(ctx context.Context) bool {
	done := make(chan struct{})
	go func() {
		s.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// makeAdminKey makes a key and sees that it works. The key's id is given with an error when it is known.
func (m *mount) makeAdminKey(ctx context.Context, s *session, name string) (openai.AdminKey, error) {
	var made openai.AdminKey
	err := openai.RetryUnmade(ctx, createBudget, func() (err error) {
		made, err = s.client.CreateAdminKey(ctx, name)
		return err
	})
	if err != nil {
		return openai.AdminKey{}, fmt.Errorf("admin API key rotation failed, the old key stays in use: %w", err)
	}
	if made.Value == "" {
		return made, errors.New("admin API key rotation failed, the old key stays in use: OpenAI made a key without a value")
	}
	client := openai.NewClient(m.link, s.config.APIEndpoint, s.config.OrganizationID, made.Value)
	err = openai.RetryFresh(ctx, checkBudget, func() error {
		_, err := client.AdminKey(ctx, made.ID)
		return err
	})
	if err != nil {
		return made, fmt.Errorf("admin API key rotation failed, the old key stays in use: the new key does not work: %w", err)
	}
	return made, nil
}

// undoAdminKey deletes a key that is not going to be used and forgets its write-ahead entry. Its error says what is
// left for the periodic clean-up; nil when nothing is.
func (m *mount) undoAdminKey(ctx context.Context, storage logical.Storage, s *session, name, id string, cause error) error {
	ctx, cancel := afterwards(ctx, repairTime)
	defer cancel()
	var err error
	switch {
	case id != "":
		err = openai.Retry(ctx, deleteBudget, func() error { _, err := s.client.DeleteAdminKey(ctx, id); return err })
	case !openai.Unmade(cause):
		return nil // it may still appear: the write-ahead entry stays
	}
	if err == nil {
		err = storage.Delete(ctx, newKeysPrefix+name)
	}
	if err != nil {
		return fmt.Errorf("the unused new key is deleted by the next clean-up: %w", err)
	}
	return nil
}

// retire deletes former admin keys with the one in force, and stores which are left. unknown are those that OpenAI
// did not know.
func (m *mount) retire(ctx context.Context, storage logical.Storage, c *config) (after *config, unknown []string, failed error) {
	if len(c.Retired) == 0 {
		return c, nil, nil
	}
	client := openai.NewClient(m.link, c.APIEndpoint, c.OrganizationID, string(c.AdminAPIKey))
	after = c.copy()
	after.Retired = slices.DeleteFunc(after.Retired, func(id string) bool {
		asked, known := 0, true
		err := openai.Retry(ctx, retireBudget, func() (err error) {
			asked++
			known, err = client.DeleteAdminKey(ctx, id)
			return err
		})
		failed = errors.Join(failed, err)
		if err == nil && !known && asked == 1 { // after a lost answer it is our own deletion that made it unknown
			unknown = append(unknown, id)
		}
		return err == nil
	})
	if len(after.Retired) == len(c.Retired) {
		return c, nil, failed
	}
	if err := after.write(ctx, storage); err != nil {
		return c, unknown, errors.Join(failed, err)
	}
	m.replace(after)
	return after, unknown, failed
}

// settleRotation finishes what rotations have left: former keys, and keys that were made and never came into force.
// The caller holds rewriting; s is the session in force.
func (m *mount) settleRotation(ctx context.Context, storage logical.Storage, s *session) error {
	_, _, failed := m.retire(ctx, storage, s.config)
	names, err := storage.List(ctx, newKeysPrefix)
	if err != nil || len(names) == 0 {
		return errors.Join(failed, err)
	}
	keys, err := s.client.AdminKeys(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	for _, name := range names {
		failed = errors.Join(failed, m.settleNewKey(ctx, storage, s, name, keys))
	}
	return failed
}

func (m *mount) settleNewKey(ctx context.Context, storage logical.Storage, s *session, name string, keys []openai.AdminKey) error {
	entry, err := storage.Get(ctx, newKeysPrefix+name)
	if err != nil || entry == nil {
		return err
	}
	var started newKey
	if err := json.Unmarshal(entry.Value, &started); err != nil {
		return fmt.Errorf("stored entry %s is damaged", newKeysPrefix+name)
	}
	found := false
	for _, key := range keys {
		if key.Name != name {
			continue
		}
		found = true
		if key.ID == s.config.AdminAPIKeyID {
			continue
		}
		if err := openai.Retry(ctx, deleteBudget, func() error { _, err := s.client.DeleteAdminKey(ctx, key.ID); return err }); err != nil {
			return err
		}
		m.Logger().Info("deleted an admin key whose rotation was never completed", "id", key.ID)
	}
	if !found && time.Since(started.StartedAt) < pendingAge {
		return nil // it may still appear
	}
	return storage.Delete(ctx, newKeysPrefix+name)
}
