// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pulumi-riptides/lab/simulator"
)

// signedRequest signs a request for the object store with the current time.
func signedRequest(t *testing.T, url, method, path, payload string, body []byte, c Credential) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "s3.us-east-1.amazonaws.com:443"
	r.RequestURI = path
	r.Header.Set("X-Amz-Content-Sha256", payload)
	now := time.Now().UTC()
	r.Header.Set("X-Amz-Date", now.Format(amzDate))
	said := &signed{c.AccessKey, now.Format("20060102"), "us-east-1", "s3", []string{"host", "x-amz-content-sha256", "x-amz-date"}, ""}
	if c.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", c.SessionToken)
		said.headers = append(said.headers, "x-amz-security-token")
	}
	authorize(t, r, said, c, payload, now)
	return r
}

// authorize signs a request as said, and makes it one to be sent.
func authorize(t *testing.T, r *http.Request, said *signed, c Credential, payload string, at time.Time) {
	t.Helper()
	made, err := sign(r, said, c, payload, at)
	if err != nil {
		t.Fatal(err)
	}
	r.RequestURI = ""
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.AccessKey+"/"+said.date+"/"+said.region+"/"+said.service+
		"/aws4_request, SignedHeaders="+strings.Join(said.headers, ";")+", Signature="+made.value)
}

func TestObjectsAreStoredForSignedRequestsOnly(t *testing.T) {
	sim, err := simulator.New(simulator.Options{Organization: "org-1", Project: "proj_1", AdminKeyID: "key_1", AdminKey: "sk-admin-x"})
	if err != nil {
		t.Fatal(err)
	}
	store := New()
	api, control := httptest.NewServer(sim.Record(store.Serve)), httptest.NewServer(store.Control())
	defer api.Close()
	defer control.Close()
	c := Credential{AccessKey: "AKIDCANARY", SecretKey: "canary-secret-key", SessionToken: "canary-session-token"}
	told, err := http.Post(control.URL+"/control/aws-credentials", "application/json",
		strings.NewReader(`{"access_key":"AKIDCANARY","secret_key":"canary-secret-key","session_token":"canary-session-token"}`))
	if err != nil || told.StatusCode != 204 {
		t.Fatalf("the control side answered %v, %v", told, err)
	}
	defer told.Body.Close()
	ask := func(r *http.Request) (int, string) {
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		text, err := io.ReadAll(reply.Body)
		if err != nil {
			t.Fatal(err)
		}
		return reply.StatusCode, string(text)
	}
	content := []byte("small object")
	if status, text := ask(signedRequest(t, api.URL, "PUT", "/bucket/a%20key", unsignedPayload, content, c)); status != 200 {
		t.Fatalf("PUT: %d %s", status, text)
	}
	if status, text := ask(signedRequest(t, api.URL, "GET", "/bucket/a%20key", emptyHash, nil, c)); status != 200 || text != string(content) {
		t.Fatalf("GET: %d %s", status, text)
	}
	unsigned := signedRequest(t, api.URL, "GET", "/bucket/a%20key", emptyHash, nil, c)
	unsigned.Header.Del("Authorization")
	if status, text := ask(unsigned); status != 403 || !strings.Contains(text, "<Code>AccessDenied</Code>") {
		t.Errorf("unsigned GET: %d %s", status, text)
	}
	store.Drop("AKIDCANARY")
	if status, text := ask(signedRequest(t, api.URL, "GET", "/bucket/a%20key", emptyHash, nil, c)); status != 403 || !strings.Contains(text, "InvalidAccessKeyId") {
		t.Errorf("GET with an ended key: %d %s", status, text)
	}

	list := sim.Arrivals()
	if len(list) != 4 {
		t.Fatalf("%d arrivals, want 4: %+v", len(list), list)
	}
	first := list[0]
	if first.Method != "PUT" || first.Path != "/bucket/a%20key" || first.Signature != "verified" || first.KeyID != "AKIDCANARY" || first.Payload != "unsigned" || first.Authorizations != 1 ||
		strings.Join(first.Headers, " ") != "authorization x-amz-content-sha256 x-amz-date x-amz-security-token" {
		t.Errorf("first arrival is %+v", first)
	}
	if got := list[3].Signature; !strings.HasPrefix(got, "InvalidAccessKeyId") {
		t.Errorf("the last arrival's signature is %q", got)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{c.SecretKey, c.SessionToken} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("arrivals hold a secret: %s", text)
		}
	}
}
