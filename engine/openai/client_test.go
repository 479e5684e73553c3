// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

func TestServerWithoutATrustedCertificateGetsNoKey(t *testing.T) {
	var reached atomic.Bool
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	_, err := NewClient(NewLink(1), s.URL+"/v1", "org-1", canary).CreateServiceAccount(t.Context(), "p", "n")
	if err == nil || !Unmade(err) || reached.Load() {
		t.Errorf("error %v, server reached: %v", err, reached.Load())
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

func TestAKeyOfAnyFormIsCutOutOfAnAnswer(t *testing.T) {
	const odd = "not-like-a-key-0123456789"
	c := serve(t, 1, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(401)
		w.Write([]byte(`{"error":{"message":"Incorrect API key provided: ` + odd + `"}}`))
	})
	c.key = odd
	if _, err := c.Project(t.Context(), "p"); err == nil || strings.Contains(err.Error(), odd) || !strings.Contains(err.Error(), "[redacted]") {
		t.Errorf("error %v", err)
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

// stuck is a connection that takes nothing more.
type stuck struct {
	net.Conn
	writing chan struct{}
}

func (s stuck) Write([]byte) (int, error) {
	close(s.writing)
	return s.Conn.Write(nil) // a pipe that nobody reads
}

func TestRequestCutOffWhileItIsWrittenCountsAsSent(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	writing := make(chan struct{})
	link := NewLink(1)
	link.http.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		return stuck{ours, writing}, nil
	}
	// Headers larger than the buffer of a connection: it writes before all of them are ready.
	c := NewClient(link, "http://127.0.0.1/v1", strings.Repeat("o", 8192), canary)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-writing
		cancel()
	}()
	if _, err := c.CreateServiceAccount(ctx, "p", "n"); err == nil || Unmade(err) {
		t.Errorf("it passes for one that was never sent: %v", err)
	}
}

// counted gives a call that ends with each of the errors in turn, the last one for ever.
func counted(errs ...error) (call func() error, times *int) {
	n := 0
	return func() error { n++; return errs[min(n, len(errs))-1] }, &n
}

func TestRetryHonoursItsLimits(t *testing.T) {
	throttled := &Error{Status: 429, RetryAfter: 3 * time.Second}
	for _, c := range []struct {
		name        string
		budget      time.Duration
		left        time.Duration // of the request's time; 0: no limit
		errs        []error
		ok          bool
		times       int
		least, most time.Duration
	}{
		{"throttled twice", time.Minute, 0, []error{throttled, throttled, nil}, true, 3, 6 * time.Second, 7 * time.Second},
		{"refused", time.Minute, 0, []error{&Error{Status: 403}}, false, 1, 0, 0},
		{"asked to wait longer than the budget", 25 * time.Second, 0, []error{&Error{Status: 429, RetryAfter: 26 * time.Second}}, false, 1, 0, 0},
		{"asked to wait longer than the request has", time.Minute, 10 * time.Second, []error{&Error{Status: 429, RetryAfter: 10 * time.Second}}, false, 1, 0, 0},
		{"asked to wait as long as the request has", time.Minute, 10 * time.Second, []error{&Error{Status: 429, RetryAfter: 9 * time.Second}, nil}, true, 2, 9 * time.Second, 10 * time.Second},
		{"failing until the request has no time", time.Minute, 3 * time.Second, []error{&Error{Status: 500}}, false, 0, 1 * time.Second, 2500 * time.Millisecond},
		{"failing until the budget is spent", 25 * time.Second, 0, []error{&Error{Status: 500}}, false, 0, 12 * time.Second, 25 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.left > 0 {
					bounded, cancel := context.WithTimeout(ctx, c.left)
					defer cancel()
					ctx = bounded
				}
				call, times := counted(c.errs...)
				start := time.Now()
				err := Retry(ctx, c.budget, call)
				took := time.Since(start)
				if (err == nil) != c.ok || c.times > 0 && *times != c.times || took < c.least || took > c.most {
					t.Errorf("%v after %d calls and %s", err, *times, took)
				}
			})
		})
	}
}

func TestCreationIsRepeatedOnlyWhenItCannotHaveHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, n := counted(&Error{Status: 500})
		if err := RetryUnmade(t.Context(), time.Minute, call); err == nil || *n != 1 {
			t.Errorf("one that may have happened was repeated: %d calls", *n)
		}
		call, n = counted(&TransportError{Err: errors.New("refused")}, &Error{Status: 429}, nil)
		if err := RetryUnmade(t.Context(), time.Minute, call); err != nil || *n != 3 {
			t.Errorf("one that cannot have happened was not repeated: %v after %d calls", err, *n)
		}
	})
}
