// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"io"
	"net/http"
)

// Control is the tests' side; serve it on a loopback port of its own.
//
//	GET    /control/state      -> State
//	POST   /control/faults     Fault or [Fault, ...]
//	DELETE /control/faults     removes all
//	DELETE /control/requests   sets the counters to zero
//	POST   /control/projects   Project {id, name?, status?}
//	POST   /control/check-key  {value} -> {live, id}
//	GET    /control/arrivals   -> [Arrival, ...], the latest 10,000
//	DELETE /control/arrivals   forgets them
func (s *Simulator) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/state", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.State())
	})
	mux.HandleFunc("POST /control/faults", func(w http.ResponseWriter, r *http.Request) {
		rules, err := decodeFaults(http.MaxBytesReader(w, r.Body, 1<<20))
		if err == nil {
			err = s.AddFaults(rules...)
		}
		controlReply(w, err)
	})
	mux.HandleFunc("DELETE /control/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		controlReply(w, nil)
	})
	mux.HandleFunc("DELETE /control/requests", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetRequests()
		controlReply(w, nil)
	})
	mux.HandleFunc("POST /control/projects", func(w http.ResponseWriter, r *http.Request) {
		var p Project
		if readBody(w, r, &p) {
			controlReply(w, s.PutProject(p))
		}
	})
	mux.HandleFunc("POST /control/check-key", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Value string `json:"value"`
		}
		if readBody(w, r, &body) {
			id, live := s.KeyLives(body.Value)
			writeJSON(w, http.StatusOK, map[string]any{"live": live, "id": id})
		}
	})
	mux.HandleFunc("GET /control/arrivals", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Arrivals())
	})
	mux.HandleFunc("DELETE /control/arrivals", func(w http.ResponseWriter, _ *http.Request) {
		s.arrivals.reset()
		controlReply(w, nil)
	})
	return mux
}

func decodeFaults(body io.Reader) ([]Fault, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	var rules []Fault
	if json.Unmarshal(text, &rules) == nil {
		return rules, nil
	}
	var one Fault
	if err := json.Unmarshal(text, &one); err != nil {
		return nil, err
	}
	return []Fault{one}, nil
}

func controlReply(w http.ResponseWriter, err error) {
	if err != nil {
		invalidRequest(w, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
