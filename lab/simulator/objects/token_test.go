// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pulumi-riptides/lab/simulator"
)

func TestARoleIsAssumedForSignedRequestsOnlyAndSignsForTheStoreUntilItExpires(t *testing.T) {
	sim, err := simulator.New(simulator.Options{Organization: "org-1", Project: "proj_1", AdminKeyID: "key_1", AdminKey: "sk-admin-x"})
	if err != nil {
		t.Fatal(err)
	}
	store := New()
	root := Credential{AccessKey: "AKIDROOT", SecretKey: "root-secret"}
	if err := store.Put(root); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Record(store.AssumeRole))
	defer server.Close()
	ask := func(c Credential, service string, change func(url.Values)) (int, assumedRole) {
		form := url.Values{
			"Action": {"AssumeRole"}, "RoleArn": {"arn:aws:iam::123456789012:role/uploader"},
			"RoleSessionName": {"bao-1"}, "DurationSeconds": {"900"},
		}
		if change != nil {
			change(form)
		}
		reply := signedForm(t, server.URL, form.Encode(), service, c)
		defer reply.Body.Close()
		text, err := io.ReadAll(reply.Body)
		if err != nil {
			t.Fatal(err)
		}
		var role assumedRole
		if reply.StatusCode == http.StatusOK {
			if err := xml.Unmarshal(text, &role); err != nil {
				t.Fatal(err)
			}
		}
		return reply.StatusCode, role
	}

	status, role := ask(root, "sts", nil)
	if status != 200 || role.Arn != "arn:aws:sts::123456789012:assumed-role/uploader/bao-1" {
		t.Fatalf("%d %+v", status, role)
	}
	issued, lives := store.find(role.AccessKeyID)
	if !lives || issued.SecretKey != role.SecretAccessKey || issued.SessionToken != role.SessionToken {
		t.Errorf("what was given is not what may sign")
	}
	if left := time.Until(issued.Expires); left < 890*time.Second || left > 900*time.Second || issued.Expires.Format(time.RFC3339) != role.Expiration {
		t.Errorf("it expires at %s, %s from now", role.Expiration, left)
	}
	issued.Expires = time.Now().Add(-time.Second)
	if err := store.Put(issued); err != nil {
		t.Fatal(err)
	}
	if _, lives := store.find(role.AccessKeyID); lives {
		t.Error("it lives after its end")
	}

	for name, refused := range map[string]struct {
		credential Credential
		service    string
		change     func(url.Values)
		status     int
	}{
		"another secret":    {Credential{AccessKey: root.AccessKey, SecretKey: "x"}, "sts", nil, 403},
		"an unknown key":    {Credential{AccessKey: "AKIDOTHER", SecretKey: "x"}, "sts", nil, 403},
		"signed for S3":     {root, "s3", nil, 403},
		"another action":    {root, "sts", func(form url.Values) { form.Set("Action", "GetFederationToken") }, 400},
		"no role":           {root, "sts", func(form url.Values) { form.Del("RoleArn") }, 400},
		"less than 15 min":  {root, "sts", func(form url.Values) { form.Set("DurationSeconds", "60") }, 400},
		"without a session": {root, "sts", func(form url.Values) { form.Del("RoleSessionName") }, 400},
	} {
		if status, _ := ask(refused.credential, refused.service, refused.change); status != refused.status {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// signedForm asks as an AWS client does.
func signedForm(t *testing.T, server, form, service string, c Credential) *http.Response {
	t.Helper()
	r, err := http.NewRequest("POST", server+TokenPath, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	r.RequestURI = TokenPath
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", now.Format(amzDate))
	said := &signed{c.AccessKey, now.Format("20060102"), "us-east-1", service, []string{"content-length", "content-type", "host", "x-amz-date"}, ""}
	payload, err := payloadHash(r, []byte(form))
	if err != nil {
		t.Fatal(err)
	}
	authorize(t, r, said, c, payload, now)
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}
