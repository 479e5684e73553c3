// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Fault is a rule that spoils requests of the OpenAI side.
//
// Method "" matches every method; Path is a regular expression on the URL path. Times is how often the rule
// applies (0 = once, negative = until removed); Skip lets that many matches pass first.
//
//	status        answer Status (default 500) with an OpenAI error body; nothing is done
//	status-after  do it, then answer Status
//	drop-before   close the connection; nothing is done
//	drop-after    do it, then close the connection
//	slow          wait DelayMS, then do it, even if the caller has gone
//	slow-after    do it, then wait DelayMS before the answer
//	html          answer Status (default 502) with an HTML page; nothing is done
//	html-after    do it, then answer Status (default 200) with an HTML page
//	truncate      do it, then send half of the answer and close
//	no-key        do it, then leave api_key and value out of the answer
type Fault struct {
	Method     string `json:"method"`
	Path       string `json:"path"`
	Action     string `json:"action"`
	Status     int    `json:"status"`
	Times      int    `json:"times"`
	Skip       int    `json:"skip"`
	RetryAfter string `json:"retry_after"`
	DelayMS    int    `json:"delay_ms"`

	path *regexp.Regexp
}

// faultActions holds each action and the status it answers with when the rule names none.
var faultActions = map[string]int{
	"status": 500, "status-after": 500, "drop-before": 0, "drop-after": 0, "slow": 0, "slow-after": 0,
	"html": 502, "html-after": 200, "truncate": 0, "no-key": 0,
}

func (f *Fault) check() error {
	status, ok := faultActions[f.Action]
	if !ok {
		return fmt.Errorf("action %q is unknown", f.Action)
	}
	if f.Status == 0 {
		f.Status = status
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("status %d is not between 200 and 599", f.Status)
	}
	if f.Times == 0 {
		f.Times = 1
	}
	var err error
	if f.path, err = regexp.Compile(f.Path); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	return nil
}

type faults struct {
	mu    sync.Mutex
	rules []*Fault
}

func (f *faults) add(rules []Fault) error {
	checked := make([]*Fault, len(rules))
	for i := range rules {
		if err := rules[i].check(); err != nil {
			return fmt.Errorf("rule %d: %w", i, err)
		}
		checked[i] = &rules[i]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, checked...)
	return nil
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// take gives the first rule for a request and counts it as used.
func (f *faults) take(r *http.Request) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, rule := range f.rules {
		if rule.Times == 0 || rule.Method != "" && rule.Method != r.Method || !rule.path.MatchString(r.URL.Path) {
			continue
		}
		if rule.Skip > 0 {
			rule.Skip--
			continue
		}
		if rule.Times > 0 {
			rule.Times--
		}
		return rule
	}
	return nil
}

const htmlPage = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"

// spoil wraps the API: requests that a rule matches are answered as the rule says.
func (f *faults) spoil(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rule := f.take(r)
		if rule == nil {
			next.ServeHTTP(w, r)
			return
		}
		if rule.RetryAfter != "" {
			w.Header().Set("Retry-After", rule.RetryAfter)
		}
		done := func() *recording {
			rec := &recording{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(rec, r)
			return rec
		}
		delay := time.Duration(rule.DelayMS) * time.Millisecond
		switch rule.Action {
		case "status-after":
			done()
			fallthrough
		case "status":
			kind, code := "server_error", ""
			if rule.Status == http.StatusTooManyRequests {
				kind, code = "requests", "rate_limit_exceeded"
			}
			writeError(w, rule.Status, kind, code, "Simulated fault.")
		case "drop-after":
			done()
			fallthrough
		case "drop-before":
			panic(http.ErrAbortHandler)
		case "slow":
			time.Sleep(delay)
			done().send(w)
		case "slow-after":
			rec := done()
			time.Sleep(delay)
			rec.send(w)
		case "html-after":
			done()
			fallthrough
		case "html":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(rule.Status)
			w.Write([]byte(htmlPage))
		case "truncate":
			rec := done()
			w.Header().Set("Content-Length", strconv.Itoa(rec.body.Len()))
			rec.body.Truncate(rec.body.Len() / 2)
			rec.send(w)
			if flush, ok := w.(http.Flusher); ok {
				flush.Flush()
			}
			panic(http.ErrAbortHandler)
		case "no-key":
			rec := done()
			var body map[string]any
			if json.Unmarshal(rec.body.Bytes(), &body) == nil {
				delete(body, "api_key")
				delete(body, "value")
				writeJSON(w, rec.status, body)
			} else {
				rec.send(w)
			}
		}
	})
}

// recording holds an answer back until a rule has decided what becomes of it.
type recording struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recording) Header() http.Header         { return r.header }
func (r *recording) WriteHeader(status int)      { r.status = status }
func (r *recording) Write(b []byte) (int, error) { return r.body.Write(b) }

func (r *recording) send(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	w.Write(r.body.Bytes())
}
