// SPDX-License-Identifier: Apache-2.0

package stand

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Reply is an answer of the server.
type Reply struct {
	Status        int
	LeaseID       string
	LeaseDuration int
	Renewable     bool
	Data          map[string]any
	Warnings      []string
	Errors        []string
	Raw           []byte
	Err           error // no answer, or one that Must does not accept
}

// Into decodes the whole body.
func (r Reply) Into(v any) error {
	if r.Err != nil {
		return r.Err
	}
	return json.Unmarshal(r.Raw, v)
}

// Text gives the field of Data as text.
func (r Reply) Text(field string) string {
	text, _ := r.Data[field].(string)
	return text
}

// Do sends a request; path is what comes after /v1/. The error is nil for every answer that the server gave.
func (s *Server) Do(method, path string, body any) (Reply, error) {
	return s.DoContext(context.Background(), method, path, body)
}

// DoContext is Do with a context.
func (s *Server) DoContext(ctx context.Context, method, path string, body any) (Reply, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return Reply{}, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.Address+"/v1/"+path, content)
	if err != nil {
		return Reply{}, err
	}
	req.Header.Set("X-Vault-Token", s.Token)
	answer, err := s.http.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer answer.Body.Close()
	r := Reply{Status: answer.StatusCode}
	if r.Raw, err = io.ReadAll(answer.Body); err != nil {
		return r, err
	}
	if len(r.Raw) == 0 {
		return r, nil
	}
	var decoded struct {
		LeaseID       string         `json:"lease_id"`
		LeaseDuration int            `json:"lease_duration"`
		Renewable     bool           `json:"renewable"`
		Data          map[string]any `json:"data"`
		Warnings      []string       `json:"warnings"`
		Errors        []string       `json:"errors"`
	}
	if err := json.Unmarshal(r.Raw, &decoded); err != nil {
		return r, fmt.Errorf("%s %s: %w", method, path, err)
	}
	r.LeaseID, r.LeaseDuration, r.Renewable = decoded.LeaseID, decoded.LeaseDuration, decoded.Renewable
	r.Data, r.Warnings, r.Errors = decoded.Data, decoded.Warnings, decoded.Errors
	return r, nil
}

// Must is Do with an Err for every answer that is not a success.
func (s *Server) Must(method, path string, body any) Reply {
	r, err := s.Do(method, path, body)
	if err == nil && r.Status >= 300 {
		err = fmt.Errorf("%s %s: status %d: %s", method, path, r.Status, strings.Join(r.Errors, "; "))
	}
	r.Err = err
	return r
}
