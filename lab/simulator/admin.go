// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

type keyBody struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	Name      string `json:"name"`
	Value     string `json:"value"`
	CreatedAt int64  `json:"created_at"`
}

type accountBody struct {
	Object    string   `json:"object"`
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Role      string   `json:"role"`
	CreatedAt int64    `json:"created_at"`
	APIKey    *keyBody `json:"api_key,omitempty"`
}

type projectBody struct {
	Object string `json:"object"`
	Project
}

type adminKeyBody struct {
	Object        string `json:"object"`
	ID            string `json:"id"`
	Name          string `json:"name"`
	RedactedValue string `json:"redacted_value"`
	CreatedAt     int64  `json:"created_at"`
	LastUsedAt    *int64 `json:"last_used_at"`
	Value         string `json:"value,omitempty"`
}

func bodyOfAccount(a Account) accountBody {
	return accountBody{Object: "organization.project.service_account", ID: a.ID, Name: a.Name, Role: "member", CreatedAt: a.CreatedAt}
}

func bodyOfAdminKey(k AdminKey) adminKeyBody {
	return adminKeyBody{
		Object: "organization.admin_api_key", ID: k.ID, Name: k.Name,
		RedactedValue: k.redacted, CreatedAt: k.CreatedAt, LastUsedAt: k.LastUsedAt,
	}
}

// forAdmin lets a request pass only with a live admin key and, where the header is there, its own organization.
func (s *Simulator) forAdmin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, _ := s.org.use(bearer(r))
		if kind == unknownKey {
			unauthorized(w)
			return
		}
		if kind != adminKey {
			writeError(w, http.StatusForbidden, "invalid_request_error", "insufficient_permissions",
				"You have insufficient permissions for this operation. An admin API key is required.")
			return
		}
		if org := r.Header.Get("OpenAI-Organization"); org != "" && org != s.org.id {
			writeError(w, http.StatusUnauthorized, "invalid_request_error", "mismatched_organization",
				"OpenAI-Organization header should match organization for API key")
			return
		}
		next(w, r)
	}
}

func bearer(r *http.Request) string {
	value, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return value
}

func unauthorized(w http.ResponseWriter) {
	writeError(w, http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
}

// forProject resolves {project} of the path; it has answered when it returns false.
func (s *Simulator) forProject(w http.ResponseWriter, r *http.Request) (Project, bool) {
	p, ok := s.org.project(r.PathValue("project"))
	if !ok {
		notFound(w, "Project", r.PathValue("project"))
	}
	return p, ok
}

func (s *Simulator) getProject(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.forProject(w, r); ok {
		writeJSON(w, http.StatusOK, projectBody{"organization.project", p})
	}
}

func (s *Simulator) listProjects(w http.ResponseWriter, r *http.Request) {
	var all []projectBody
	for _, p := range s.org.listProjects() {
		if p.Status == "active" || r.URL.Query().Get("include_archived") == "true" {
			all = append(all, projectBody{"organization.project", p})
		}
	}
	writePage(w, r, all, func(p projectBody) string { return p.ID })
}

func (s *Simulator) createAccount(w http.ResponseWriter, r *http.Request) {
	p, ok := s.forProject(w, r)
	if !ok {
		return
	}
	var body struct {
		Name string `json:"name"`
	}
	if !readBody(w, r, &body) {
		return
	}
	if body.Name == "" {
		invalidRequest(w, "Missing required parameter: 'name'.")
		return
	}
	if p.Status != "active" {
		invalidRequest(w, "Project "+p.ID+" is archived.")
		return
	}
	a, value := s.org.createAccount(p.ID, body.Name)
	reply := bodyOfAccount(a)
	reply.APIKey = &keyBody{
		Object: "organization.project.service_account.api_key",
		ID:     a.KeyID, Name: "Secret Key", Value: value, CreatedAt: a.CreatedAt,
	}
	writeJSON(w, http.StatusOK, reply)
}

func (s *Simulator) listAccounts(w http.ResponseWriter, r *http.Request) {
	p, ok := s.forProject(w, r)
	if !ok {
		return
	}
	var all []accountBody
	for _, a := range s.org.listAccounts(p.ID) {
		all = append(all, bodyOfAccount(a))
	}
	writePage(w, r, all, func(a accountBody) string { return a.ID })
}

func (s *Simulator) getAccount(w http.ResponseWriter, r *http.Request) {
	p, ok := s.forProject(w, r)
	if !ok {
		return
	}
	a, ok := s.org.account(p.ID, r.PathValue("account"))
	if !ok {
		notFound(w, "Service account", r.PathValue("account"))
		return
	}
	writeJSON(w, http.StatusOK, bodyOfAccount(a))
}

func (s *Simulator) deleteAccount(w http.ResponseWriter, r *http.Request) {
	p, ok := s.forProject(w, r)
	if !ok {
		return
	}
	id := r.PathValue("account")
	if !s.org.deleteAccount(p.ID, id) {
		notFound(w, "Service account", id)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "organization.project.service_account.deleted", "id": id, "deleted": true})
}

func (s *Simulator) createAdminKey(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name string `json:"name"`
	}
	if !readBody(w, r, &body) {
		return
	}
	if body.Name == "" {
		invalidRequest(w, "Missing required parameter: 'name'.")
		return
	}
	k, value := s.org.createAdminKey(body.Name)
	reply := bodyOfAdminKey(k)
	reply.Value = value
	writeJSON(w, http.StatusOK, reply)
}

func (s *Simulator) listAdminKeys(w http.ResponseWriter, r *http.Request) {
	var all []adminKeyBody
	for _, k := range s.org.listAdminKeys() {
		all = append(all, bodyOfAdminKey(k))
	}
	writePage(w, r, all, func(k adminKeyBody) string { return k.ID })
}

func (s *Simulator) getAdminKey(w http.ResponseWriter, r *http.Request) {
	k, ok := s.org.admin(r.PathValue("key"))
	if !ok {
		notFound(w, "Admin API key", r.PathValue("key"))
		return
	}
	writeJSON(w, http.StatusOK, bodyOfAdminKey(k))
}

func (s *Simulator) deleteAdminKey(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("key")
	if !s.org.deleteAdminKey(id) {
		notFound(w, "Admin API key", id)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "organization.admin_api_key.deleted", "id": id, "deleted": true})
}

// writePage answers one page: limit 1..100 (20 when absent), after = id of the last item already seen.
func writePage[T any](w http.ResponseWriter, r *http.Request, all []T, id func(T) string) {
	limit := 20
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			invalidRequest(w, "Invalid 'limit': must be between 1 and 100.")
			return
		}
		limit = n
	}
	if after := r.URL.Query().Get("after"); after != "" {
		for i, item := range all {
			if id(item) == after {
				all = all[i+1:]
				break
			}
		}
	}
	page := append([]T{}, all[:min(limit, len(all))]...)
	reply := map[string]any{"object": "list", "data": page, "has_more": len(all) > len(page), "first_id": nil, "last_id": nil}
	if len(page) > 0 {
		reply["first_id"], reply["last_id"] = id(page[0]), id(page[len(page)-1])
	}
	writeJSON(w, http.StatusOK, reply)
}

func unixNow() int64 { return time.Now().Unix() }
