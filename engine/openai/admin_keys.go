// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"context"
	"net/http"
	"net/url"
)

// AdminKey is an admin API key. Value is there only in the answer to its creation.
type AdminKey struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

const adminKeysPath = "/organization/admin_api_keys"

func adminKeyPath(id string) string { return adminKeysPath + "/" + url.PathEscape(id) }

// CreateAdminKey makes a key; the answer is checked for its id only.
func (c *Client) CreateAdminKey(ctx context.Context, name string) (AdminKey, error) {
	var k AdminKey
	if err := c.call(ctx, "create admin key", http.MethodPost, adminKeysPath, map[string]string{"name": name}, &k); err != nil {
		return AdminKey{}, err
	}
	if k.ID == "" {
		return AdminKey{}, &BodyError{Reason: "an admin key without id"}
	}
	return k, nil
}

// AdminKey reads a key; called with that same key it shows that key, organization and id belong together.
func (c *Client) AdminKey(ctx context.Context, id string) (AdminKey, error) {
	var k AdminKey
	err := c.call(ctx, "read admin key", http.MethodGet, adminKeyPath(id), nil, &k)
	return k, err
}

// AdminKeys lists all keys of the organization; they come without values.
func (c *Client) AdminKeys(ctx context.Context) ([]AdminKey, error) {
	return list(ctx, c, "list admin keys", adminKeysPath, func(k AdminKey) string { return k.ID })
}

// DeleteAdminKey deletes a key; one that is gone already is a success, with known false.
func (c *Client) DeleteAdminKey(ctx context.Context, id string) (known bool, err error) {
	return c.remove(ctx, "delete admin key", adminKeyPath(id))
}
