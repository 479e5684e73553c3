// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Project is a project of the organization; Status is "active" or "archived".
type Project struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
}

// ServiceAccount is an account in a project. Key is there only in the answer to its creation.
type ServiceAccount struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	CreatedAt int64  `json:"created_at"`
	Key       *Key   `json:"api_key"`
}

// Key is the key of a new service account.
type Key struct {
	ID    string `json:"id"`
	Value string `json:"value"`
}

func projectPath(project string) string {
	return "/organization/projects/" + url.PathEscape(project)
}

func accountPath(project, id string) string {
	return projectPath(project) + "/service_accounts/" + url.PathEscape(id)
}

// Project reads a project.
func (c *Client) Project(ctx context.Context, id string) (Project, error) {
	var p Project
	if err := c.call(ctx, "read project", http.MethodGet, projectPath(id), nil, &p); err != nil {
		return Project{}, err
	}
	if p.ID == "" {
		return Project{}, &BodyError{Reason: "a project without id"}
	}
	return p, nil
}

// CreateServiceAccount makes an account with one key. The answer is checked for its id only.
func (c *Client) CreateServiceAccount(ctx context.Context, project, name string) (ServiceAccount, error) {
	var a ServiceAccount
	path := projectPath(project) + "/service_accounts"
	if err := c.call(ctx, "create service account", http.MethodPost, path, map[string]string{"name": name}, &a); err != nil {
		return ServiceAccount{}, err
	}
	if a.ID == "" {
		return ServiceAccount{}, &BodyError{Reason: "a service account without id"}
	}
	return a, nil
}

// DeleteServiceAccount deletes an account and its key; one that is gone already is a success.
func (c *Client) DeleteServiceAccount(ctx context.Context, project, id string) error {
	_, err := c.remove(ctx, "delete service account", accountPath(project, id))
	return err
}

// ServiceAccounts lists all accounts of a project; they come without keys.
func (c *Client) ServiceAccounts(ctx context.Context, project string) ([]ServiceAccount, error) {
	return list(ctx, c, "list service accounts", projectPath(project)+"/service_accounts",
		func(a ServiceAccount) string { return a.ID })
}

const pageSize = 100

// list follows the pages of a list to its end.
func list[T any](ctx context.Context, c *Client, what, path string, id func(T) string) ([]T, error) {
	var all []T
	for after := ""; ; {
		query := url.Values{"limit": {strconv.Itoa(pageSize)}}
		if after != "" {
			query.Set("after", after)
		}
		var page struct {
			Data    []T  `json:"data"`
			HasMore bool `json:"has_more"`
		}
		if err := c.call(ctx, what, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		if page.Data == nil {
			return nil, &BodyError{Reason: "a list without data"}
		}
		all = append(all, page.Data...)
		if !page.HasMore {
			return all, nil
		}
		if len(page.Data) == 0 || id(page.Data[len(page.Data)-1]) == after {
			return nil, &BodyError{Reason: "a list that does not go on"}
		}
		after = id(page.Data[len(page.Data)-1])
	}
}
