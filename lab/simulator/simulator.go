// SPDX-License-Identifier: Apache-2.0

// Package simulator stands in for the OpenAI API: the Admin API's projects, service accounts and admin keys, and as
// much of the inference API as a client needs to see whether its key lives. It keeps no key value, only digests.
package simulator

import (
	"errors"
	"net/http"
)

// Options seed a Simulator. All but ProjectName are required.
type Options struct {
	Organization string
	Project      string
	ProjectName  string
	AdminKeyID   string
	AdminKey     string
}

// Simulator is one organization at OpenAI. Its methods are safe for concurrent use.
type Simulator struct {
	org      *organization
	faults   faults
	log      requestLog
	arrivals arrivals
	api      http.Handler
}

// New seeds an organization with one active project and one admin key.
func New(o Options) (*Simulator, error) {
	if o.Organization == "" || o.Project == "" || o.AdminKeyID == "" || o.AdminKey == "" {
		return nil, errors.New("organization, project, admin key id and admin key are all required")
	}
	if o.ProjectName == "" {
		o.ProjectName = o.Project
	}
	s := &Simulator{org: newOrganization(o.Organization)}
	s.org.putProject(Project{ID: o.Project, Name: o.ProjectName, Status: "active"})
	s.org.addAdminKey(o.AdminKeyID, "seed", o.AdminKey)

	mux := http.NewServeMux()
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET /v1/organization/projects":                                         s.forAdmin(s.listProjects),
		"GET /v1/organization/projects/{project}":                               s.forAdmin(s.getProject),
		"GET /v1/organization/projects/{project}/service_accounts":              s.forAdmin(s.listAccounts),
		"POST /v1/organization/projects/{project}/service_accounts":             s.forAdmin(s.createAccount),
		"GET /v1/organization/projects/{project}/service_accounts/{account}":    s.forAdmin(s.getAccount),
		"DELETE /v1/organization/projects/{project}/service_accounts/{account}": s.forAdmin(s.deleteAccount),
		"GET /v1/organization/admin_api_keys":                                   s.forAdmin(s.listAdminKeys),
		"POST /v1/organization/admin_api_keys":                                  s.forAdmin(s.createAdminKey),
		"GET /v1/organization/admin_api_keys/{key}":                             s.forAdmin(s.getAdminKey),
		"DELETE /v1/organization/admin_api_keys/{key}":                          s.forAdmin(s.deleteAdminKey),
		"GET /v1/models":            s.forAccount(s.listModels),
		"POST /v1/chat/completions": s.forAccount(s.chatCompletions),
	} {
		mux.Handle(pattern, handler)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, "invalid_request_error", "unknown_url", "Unknown request URL: "+r.Method+" "+r.URL.Path)
	})
	route := func(r *http.Request) string {
		_, pattern := mux.Handler(r)
		if pattern == "/" {
			return ""
		}
		return pattern
	}
	openai := s.log.count(s.faults.spoil(mux), route)
	s.api = s.Record(func(w http.ResponseWriter, r *http.Request, arrival *Arrival) {
		arrival.KeyID = s.keyID(r)
		openai.ServeHTTP(w, r)
	})
	return s, nil
}

// API is the OpenAI side; serve it at the root of a host, paths start with /v1.
func (s *Simulator) API() http.Handler { return s.api }

// keyID gives the id of a request's key when it is a live one.
func (s *Simulator) keyID(r *http.Request) string {
	_, id := s.org.look(bearer(r))
	return id
}

// Arrivals are the latest requests, oldest first.
func (s *Simulator) Arrivals() []Arrival { return s.arrivals.snapshot() }

// AddFaults adds rules after those already there.
func (s *Simulator) AddFaults(rules ...Fault) error { return s.faults.add(rules) }

// ClearFaults removes all rules.
func (s *Simulator) ClearFaults() { s.faults.clear() }

// ResetRequests sets the request counters to zero.
func (s *Simulator) ResetRequests() { s.log.reset() }

// PutProject adds or replaces a project.
func (s *Simulator) PutProject(p Project) error {
	if p.ID == "" {
		return errors.New("id is required")
	}
	if p.Name == "" {
		p.Name = p.ID
	}
	if p.Status == "" {
		p.Status = "active"
	}
	if p.Status != "active" && p.Status != "archived" {
		return errors.New(`status must be "active" or "archived"`)
	}
	s.org.putProject(p)
	return nil
}

// DeleteAccount removes a service account as an operator would by hand; false when it is not there.
func (s *Simulator) DeleteAccount(project, id string) bool { return s.org.deleteAccount(project, id) }

// KeyLives tells whether a value is a live service-account or admin key, and the id of the key.
func (s *Simulator) KeyLives(value string) (id string, live bool) {
	kind, id := s.org.look(value)
	return id, kind != unknownKey
}

// State is what the control API shows: no key value is in it.
type State struct {
	Organization string     `json:"organization"`
	Projects     []Project  `json:"projects"`
	Accounts     []Account  `json:"accounts"`
	LiveKeys     int        `json:"live_keys"`
	EndedKeys    []EndedKey `json:"ended_keys"`
	AdminKeys    []AdminKey `json:"admin_keys"`
	Requests     Requests   `json:"requests"`
}

// State reads everything; each list is consistent in itself.
func (s *Simulator) State() State {
	accounts := s.org.listAccounts("")
	return State{
		Organization: s.org.id,
		Projects:     s.org.listProjects(),
		Accounts:     accounts,
		LiveKeys:     len(accounts),
		EndedKeys:    s.org.endedKeys(),
		AdminKeys:    s.org.listAdminKeys(),
		Requests:     s.log.snapshot(),
	}
}

// Plant makes a service account as another user of the organization would; nobody learns its key.
func (s *Simulator) Plant(project, name string) Account {
	a, _ := s.org.createAccount(project, name)
	return a
}
