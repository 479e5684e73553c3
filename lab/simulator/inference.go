// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
)

var models = []string{"gpt-4o-mini", "gpt-4.1", "gpt-5"}

// forAccount lets a request pass only with the key of a live service account.
func (s *Simulator) forAccount(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch kind, _ := s.org.use(bearer(r)); kind {
		case accountKey:
			next(w, r)
		case adminKey:
			writeError(w, http.StatusForbidden, "invalid_request_error", "insufficient_permissions",
				"Admin API keys cannot be used for this endpoint.")
		default:
			unauthorized(w)
		}
	}
}

func (s *Simulator) listModels(w http.ResponseWriter, r *http.Request) {
	data := make([]map[string]any, len(models))
	for i, id := range models {
		data[i] = map[string]any{"id": id, "object": "model", "created": 1715367049, "owned_by": "system"}
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

func (s *Simulator) chatCompletions(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Model    string            `json:"model"`
		Messages []json.RawMessage `json:"messages"`
		Stream   bool              `json:"stream"`
	}
	if !readBody(w, r, &body) {
		return
	}
	if body.Model == "" || len(body.Messages) == 0 {
		invalidRequest(w, "You must provide 'model' and a non-empty 'messages'.")
		return
	}
	id, text := "chatcmpl-"+randomHex(12), fmt.Sprintf("The simulator read %d message(s).", len(body.Messages))
	if !body.Stream {
		writeJSON(w, http.StatusOK, map[string]any{
			"id": id, "object": "chat.completion", "created": unixNow(), "model": body.Model,
			"choices": []any{map[string]any{
				"index": 0, "finish_reason": "stop",
				"message": map[string]any{"role": "assistant", "content": text},
			}},
			"usage": map[string]int{"prompt_tokens": len(body.Messages), "completion_tokens": 6, "total_tokens": len(body.Messages) + 6},
		})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, choice := range []map[string]any{
		{"index": 0, "delta": map[string]any{"role": "assistant", "content": text}, "finish_reason": nil},
		{"index": 0, "delta": map[string]any{}, "finish_reason": "stop"},
	} {
		chunk, err := json.Marshal(map[string]any{
			"id": id, "object": "chat.completion.chunk", "created": unixNow(), "model": body.Model, "choices": []any{choice},
		})
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(w, "data: %s\n\n", chunk)
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}
