// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"maps"
	"net/http"
	"sync"
)

// Requests counts what reached the OpenAI side. By is keyed by "METHOD pattern", e.g.
// "GET /v1/organization/projects/{project}"; unknown paths are counted under "other".
type Requests struct {
	Total        int            `json:"total"`
	InFlightPeak int            `json:"in_flight_peak"`
	By           map[string]int `json:"by"`
}

type requestLog struct {
	mu       sync.Mutex
	inFlight int
	counts   Requests
}

// count wraps the API; pattern names the route that a request will take.
func (l *requestLog) count(next http.Handler, pattern func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := pattern(r)
		if name == "" {
			name = "other"
		}
		l.mu.Lock()
		if l.counts.By == nil {
			l.counts.By = map[string]int{}
		}
		l.counts.Total++
		l.counts.By[name]++
		l.inFlight++
		l.counts.InFlightPeak = max(l.counts.InFlightPeak, l.inFlight)
		l.mu.Unlock()
		defer func() {
			l.mu.Lock()
			l.inFlight--
			l.mu.Unlock()
		}()
		next.ServeHTTP(w, r)
	})
}

func (l *requestLog) snapshot() Requests {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := l.counts
	counts.By = maps.Clone(counts.By)
	if counts.By == nil {
		counts.By = map[string]int{}
	}
	return counts
}

func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = Requests{InFlightPeak: l.inFlight}
}
