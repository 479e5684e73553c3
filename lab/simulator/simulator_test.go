// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const seedKey = "sk-admin-canary-value"

type stand struct {
	t            *testing.T
	sim          *Simulator
	api, control *httptest.Server
}

func newStand(t *testing.T) *stand {
	sim, err := New(Options{Organization: "org-1", Project: "proj_1", AdminKeyID: "key_1", AdminKey: seedKey})
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{t: t, sim: sim, api: httptest.NewServer(sim.API()), control: httptest.NewServer(sim.Control())}
	t.Cleanup(s.api.Close)
	t.Cleanup(s.control.Close)
	return s
}

func (s *stand) call(method, url, key, body string) (int, map[string]any, error) {
	s.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return reply.StatusCode, nil, err
	}
	if bytes.Contains(text, []byte(seedKey)) {
		s.t.Errorf("%s %s answers with the admin key", method, url)
	}
	var decoded map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &decoded); err != nil {
			return reply.StatusCode, nil, err
		}
	}
	return reply.StatusCode, decoded, nil
}

func (s *stand) must(status int, method, path, key, body string) map[string]any {
	s.t.Helper()
	base := s.api.URL
	if strings.HasPrefix(path, "/control") {
		base = s.control.URL
	}
	got, decoded, err := s.call(method, base+path, key, body)
	if err != nil || got != status {
		s.t.Fatalf("%s %s: status %d, error %v, want %d: %v", method, path, got, err, status, decoded)
	}
	return decoded
}

const accountsPath = "/v1/organization/projects/proj_1/service_accounts"

func TestAccountKeyLivesUntilItsAccountIsDeleted(t *testing.T) {
	s := newStand(t)
	made := s.must(200, "POST", accountsPath, seedKey, `{"name":"a"}`)
	value := made["api_key"].(map[string]any)["value"].(string)

	s.must(200, "GET", "/v1/models", value, "")
	chat := s.must(200, "POST", "/v1/chat/completions", value, `{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}`)
	if chat["object"] != "chat.completion" {
		t.Errorf("chat answered %v", chat)
	}
	checked := s.must(200, "POST", "/control/check-key", "", `{"value":"`+value+`"}`)
	if checked["live"] != true || checked["id"] != made["api_key"].(map[string]any)["id"] {
		t.Errorf("check-key answered %v", checked)
	}
	s.must(200, "DELETE", accountsPath+"/"+made["id"].(string), seedKey, "")
	dead := s.must(401, "GET", "/v1/models", value, "")
	if dead["error"].(map[string]any)["code"] != "invalid_api_key" {
		t.Errorf("a dead key is answered with %v", dead)
	}
	s.must(404, "DELETE", accountsPath+"/"+made["id"].(string), seedKey, "")
	if state := s.sim.State(); state.LiveKeys != 0 || len(state.Accounts) != 0 {
		t.Errorf("state is %+v", state)
	}
}

func TestEachKindOfKeyOpensOnlyItsOwnSide(t *testing.T) {
	s := newStand(t)
	value := s.must(200, "POST", accountsPath, seedKey, `{"name":"a"}`)["api_key"].(map[string]any)["value"].(string)
	s.must(403, "GET", accountsPath, value, "")
	s.must(403, "GET", "/v1/models", seedKey, "")
	s.must(401, "GET", accountsPath, "sk-admin-guess", "")
	s.must(404, "GET", "/v1/nothing", seedKey, "")
}

func TestProjectsAreActiveArchivedOrUnknown(t *testing.T) {
	s := newStand(t)
	s.must(204, "POST", "/control/projects", "", `{"id":"proj_old","status":"archived"}`)
	if p := s.must(200, "GET", "/v1/organization/projects/proj_old", seedKey, ""); p["status"] != "archived" || p["archived_at"] == nil {
		t.Errorf("archived project is %v", p)
	}
	s.must(400, "POST", "/v1/organization/projects/proj_old/service_accounts", seedKey, `{"name":"a"}`)
	s.must(404, "POST", "/v1/organization/projects/proj_none/service_accounts", seedKey, `{"name":"a"}`)
}

func TestAdminKeysRotate(t *testing.T) {
	s := newStand(t)
	made := s.must(200, "POST", "/v1/organization/admin_api_keys", seedKey, `{"name":"next"}`)
	next := made["value"].(string)
	s.must(200, "DELETE", "/v1/organization/admin_api_keys/key_1", next, "")
	s.must(401, "GET", "/v1/organization/admin_api_keys", seedKey, "")
	if list := s.must(200, "GET", "/v1/organization/admin_api_keys", next, ""); len(list["data"].([]any)) != 1 {
		t.Errorf("admin keys are %v", list)
	}
}

func TestListsArePaged(t *testing.T) {
	s := newStand(t)
	for range 25 {
		s.must(200, "POST", accountsPath, seedKey, `{"name":"a"}`)
	}
	first := s.must(200, "GET", accountsPath, seedKey, "")
	if n := len(first["data"].([]any)); n != 20 || first["has_more"] != true {
		t.Fatalf("first page has %d, has_more %v", n, first["has_more"])
	}
	rest := s.must(200, "GET", accountsPath+"?limit=100&after="+first["last_id"].(string), seedKey, "")
	if n := len(rest["data"].([]any)); n != 5 || rest["has_more"] != false {
		t.Fatalf("second page has %d, has_more %v", n, rest["has_more"])
	}
	s.must(400, "GET", accountsPath+"?limit=101", seedKey, "")
}

func TestFaultsDoWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		rule    string
		status  int // 0: the connection breaks
		created int
	}{
		{`{"action":"status","status":429,"retry_after":"1"}`, 429, 0},
		{`{"action":"status-after","status":500}`, 500, 1},
		{`{"action":"drop-before"}`, 0, 0},
		{`{"action":"drop-after"}`, 0, 1},
		{`{"action":"html"}`, 502, 0},
		{`{"action":"html-after"}`, 200, 1},
		{`{"action":"truncate"}`, 200, 1},
		{`{"action":"slow","delay_ms":1}`, 200, 1},
		{`{"action":"slow-after","delay_ms":1}`, 200, 1},
		{`{"action":"no-key"}`, 200, 1},
	} {
		t.Run(c.rule, func(t *testing.T) {
			s := newStand(t)
			s.must(204, "POST", "/control/faults", "", `[{"method":"POST","path":"service_accounts$",`+c.rule[1:]+`]`)
			status, body, err := s.call("POST", s.api.URL+accountsPath, seedKey, `{"name":"a"}`)
			if status != c.status {
				t.Errorf("status %d (%v), want %d", status, err, c.status)
			}
			if c.rule == `{"action":"no-key"}` && (err != nil || body["id"] == nil || body["api_key"] != nil) {
				t.Errorf("no-key answered %v, %v", body, err)
			}
			if n := len(s.sim.State().Accounts); n != c.created {
				t.Errorf("%d accounts were made, want %d", n, c.created)
			}
			if status, _, err := s.call("POST", s.api.URL+accountsPath, seedKey, `{"name":"b"}`); status != 200 {
				t.Errorf("the rule outlived its one use: %d %v", status, err)
			}
		})
	}
	s := newStand(t)
	s.must(400, "POST", "/control/faults", "", `{"action":"explode"}`)
}

func TestControlShowsNoKeyValue(t *testing.T) {
	s := newStand(t)
	made := s.must(200, "POST", accountsPath, seedKey, `{"name":"a"}`)
	text, err := json.Marshal(s.must(200, "GET", "/control/state", "", ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{seedKey, made["api_key"].(map[string]any)["value"].(string)} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("state holds a key value: %s", text)
		}
	}
}

func TestArrivalsTellWhichKeyCameNotItsValue(t *testing.T) {
	s := newStand(t)
	made := s.must(200, "POST", accountsPath, seedKey, `{"name":"a"}`)["api_key"].(map[string]any)
	s.must(204, "DELETE", "/control/arrivals", "", "")
	s.must(200, "GET", "/v1/models", made["value"].(string), "")
	s.must(401, "GET", "/v1/models", "riptides", "")
	list := s.sim.Arrivals()
	if len(list) != 2 || list[0].KeyID != made["id"] || list[0].Status != 200 || list[1].KeyID != "" || list[1].Status != 401 {
		t.Errorf("arrivals are %+v", list)
	}
	if list[0].Connection == "" || list[0].Connection != list[1].Connection {
		t.Errorf("two requests of one connection came from %q and %q", list[0].Connection, list[1].Connection)
	}
}
