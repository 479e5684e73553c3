// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const canary = "sk-admin-canary-0123456789"

// serve gives a client of a server that answers with the handler.
func serve(t *testing.T, atOnce int, handler http.HandlerFunc) *Client {
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return NewClient(NewLink(atOnce), s.URL+"/v1", "org-1", canary)
}

func TestHeadersOfACall(t *testing.T) {
	c := serve(t, 1, func(w http.ResponseWriter, r *http.Request) {
		want := map[string]string{"Authorization": "Bearer " + canary, "OpenAI-Organization": "org-1", "Content-Type": "application/json"}
		for name, value := range want {
			if r.Header.Get(name) != value {
				t.Errorf("%s is %q", name, r.Header.Get(name))
			}
		}
		if r.URL.Path != "/v1/organization/projects/a/b" || r.URL.RawPath != "/v1/organization/projects/a%2Fb" {
			t.Errorf("path %q, raw %q: an id must not leave its place", r.URL.Path, r.URL.RawPath)
		}
		w.Write([]byte(`{"id":"a/b","status":"active"}`))
	})
	if _, err := c.Project(t.Context(), "a/b"); err != nil {
		t.Error(err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer other.Close()
	c := serve(t, 1, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if _, err := c.CreateServiceAccount(t.Context(), "p", "n"); err == nil || reached.Load() {
		t.Errorf("error %v, other server reached: %v", err, reached.Load())
	}
}

func TestErrorsHoldNoKey(t *testing.T) {
	answers := []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(401)
			w.Write([]byte(`{"error":{"message":"Incorrect API key provided: ` + canary + `"}}`))
		},
		func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(canary)) },
		func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	}
	for i, answer := range answers {
		c := serve(t, 1, answer)
		_, err := c.Project(t.Context(), "p")
		if err == nil || strings.Contains(err.Error(), canary) || strings.Contains(c.link.LastFailure().Text, canary) {
			t.Errorf("answer %d: %v", i, err)
		}
	}
}

func TestOnlyAConfirmedDeletionCounts(t *testing.T) {
	for body, want := range map[string]bool{`{"deleted":true}`: true, `{"deleted":false}`: false, `{}`: false, "<html>": false, "": false} {
		c := serve(t, 1, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) })
		if err := c.DeleteServiceAccount(t.Context(), "p", "a"); (err == nil) != want {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestCallsAtOnceAreLimited(t *testing.T) {
	var now, peak atomic.Int32
	release := make(chan struct{})
	c := serve(t, 3, func(w http.ResponseWriter, _ *http.Request) {
		for n := now.Add(1); ; {
			if p := peak.Load(); n <= p || peak.CompareAndSwap(p, n) {
				break
			}
		}
		<-release
		now.Add(-1)
		w.Write([]byte(`{"id":"p"}`))
	})
	done := make(chan error)
	for range 12 {
		go func() {
			_, err := c.Project(context.Background(), "p")
			done <- err
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for peak.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	if _, err := c.Project(ctx, "p"); !Unmade(err) {
		t.Errorf("a call that got no turn: %v", err)
	}
	close(release)
	for range 12 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if peak.Load() != 3 {
		t.Errorf("%d calls at once, want 3", peak.Load())
	}
}

func TestListsThatDoNotEndAreGivenUp(t *testing.T) {
	for _, body := range []string{`{"data":[{"id":"a"}],"has_more":true}`, `{"data":[],"has_more":true}`, `{"has_more":false}`} {
		c := serve(t, 1, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) })
		if _, err := c.ServiceAccounts(t.Context(), "p"); err == nil {
			t.Errorf("%s passes for a list", body)
		}
	}
}

func TestRetryHonoursItsLimits(t *testing.T) {
	throttled := &Error{Status: 429, RetryAfter: 30 * time.Millisecond}
	count := func(errs ...error) (func() error, *int) {
		n := 0
		return func() error { n++; return errs[min(n, len(errs))-1] }, &n
	}
	call, n := count(throttled, throttled, nil)
	if err := Retry(t.Context(), time.Minute, call); err != nil || *n != 3 {
		t.Errorf("throttled twice: %v after %d calls", err, *n)
	}
	call, n = count(&Error{Status: 403})
	if err := Retry(t.Context(), time.Minute, call); err == nil || *n != 1 {
		t.Errorf("refused: %v after %d calls", err, *n)
	}
	call, n = count(&Error{Status: 429, RetryAfter: time.Hour})
	if err := Retry(t.Context(), time.Minute, call); err == nil || *n != 1 {
		t.Errorf("asked to wait for an hour: %v after %d calls", err, *n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), answerMargin+300*time.Millisecond)
	defer cancel()
	start := time.Now()
	call, _ = count(&Error{Status: 500})
	if err := Retry(ctx, time.Minute, call); err == nil || time.Since(start) > time.Second {
		t.Errorf("with little time: %v after %s", err, time.Since(start))
	}
	call, n = count(&Error{Status: 500})
	if err := RetryUnmade(t.Context(), time.Minute, call); err == nil || *n != 1 {
		t.Errorf("a creation that may have happened was repeated: %d calls", *n)
	}
	call, n = count(&TransportError{Err: errors.New("refused")}, throttled, nil)
	if err := RetryUnmade(t.Context(), time.Minute, call); err != nil || *n != 3 {
		t.Errorf("a creation that cannot have happened was not repeated: %v after %d calls", err, *n)
	}
}
