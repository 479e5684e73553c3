// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"testing"
	"time"

	"pulumi-riptides/engine/openai"
)

// A configuration that is written anew with the same key (retiring a former key does that) must not hide the calls that
// already run with the key: the next rotation would delete it under them.
func TestCallsOfOneKeyAreCountedTogether(t *testing.T) {
	m := &mount{link: openai.NewLink(1)}
	first := &config{AdminAPIKey: "sk-admin-1", APIEndpoint: "https://127.0.0.1:1/v1"}
	m.replace(first)
	running, err := m.begin(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	m.replace(first.copy())
	same, err := m.begin(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	same.end()
	next := first.copy()
	next.AdminAPIKey = "sk-admin-2"
	former := m.replace(next)

	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if former.ended(short) {
		t.Error("a key is taken for unused while a call of an earlier session runs with it")
	}
	running.end()
	if !former.ended(context.Background()) {
		t.Error("a key is taken for used after its last call has ended")
	}
	if fresh, err := m.begin(context.Background(), nil); err != nil || fresh.calls == former.calls {
		t.Errorf("another key shares the count: %v", err)
	}
}
