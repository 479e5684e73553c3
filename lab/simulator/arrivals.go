// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// arrivalsMax is how many of the latest requests are kept.
const arrivalsMax = 10_000

// Arrival is a request as it came in: what a key bought, never the key.
type Arrival struct {
	AtMS int64  `json:"at_ms"`
	Host string `json:"host"`
	// Connection is the client's address: requests with the same one came over the same connection.
	Connection string `json:"connection"`
	Method     string `json:"method"`
	// Path is the request target without its query.
	Path   string `json:"path"`
	Status int    `json:"status"`
	// Headers holds the names of the header fields that carry or sign a credential, in lower case, sorted.
	Headers []string `json:"headers"`
	// Authorizations counts the Authorization fields: one is right.
	Authorizations int `json:"authorizations"`
	// KeyID is the id of the live OpenAI key that was sent, or the access key that has signed right.
	KeyID string `json:"key_id,omitempty"`
	// Signature is "verified", or why not; empty where none is asked for.
	Signature string `json:"signature,omitempty"`
	// Payload tells how the body was signed: "hashed" or "unsigned".
	Payload string `json:"payload,omitempty"`
}

// arrivals are the latest requests, oldest first.
type arrivals struct {
	mu   sync.Mutex
	list []Arrival
}

func (a *arrivals) add(one Arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == arrivalsMax {
		a.list = slices.Delete(a.list, 0, arrivalsMax/10)
	}
	a.list = append(a.list, one)
}

func (a *arrivals) snapshot() []Arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Arrival{}, a.list...)
}

func (a *arrivals) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = nil
}

// arrivalOf reads what a request shows without its answer.
func arrivalOf(r *http.Request) Arrival {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	one := Arrival{
		AtMS: time.Now().UnixMilli(), Host: r.Host, Connection: r.RemoteAddr, Method: r.Method, Path: path,
		Headers: []string{}, Authorizations: len(r.Header["Authorization"]),
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if lower == "authorization" || strings.HasPrefix(lower, "x-amz-") || strings.Contains(lower, "api-key") {
			one.Headers = append(one.Headers, lower)
		}
	}
	slices.Sort(one.Headers)
	return one
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap gives http.ResponseController the connection's own writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is what the faults ask for by assertion.
func (w *statusWriter) Flush() {
	if flush, ok := w.ResponseWriter.(http.Flusher); ok {
		flush.Flush()
	}
}

// Record wraps a handler: each request is an arrival, also one whose answer breaks off. The handler fills in what only it knows.
func (s *Simulator) Record(next func(http.ResponseWriter, *http.Request, *Arrival)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one := arrivalOf(r)
		seen := &statusWriter{ResponseWriter: w}
		defer func() {
			one.Status = seen.status
			s.arrivals.add(one)
		}()
		next(seen, r, &one)
	})
}
