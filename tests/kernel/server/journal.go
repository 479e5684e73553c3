// SPDX-License-Identifier: Apache-2.0
package main

import (
	"encoding/json"
	"io"
	"sync"
)

// entry is one line of the journal: what arrived at a port.
type entry struct {
	Port int `json:"port"`
	// What is "open" (TLS is up), "request", "end" (close_notify came), "broken" (it did not), "refused" (no TLS came
	// about) or "plain" (the peer does not speak TLS).
	What string `json:"what"`
	// Detail is an error, or the first bytes of a plain peer.
	Detail        string              `json:"detail,omitempty"`
	Method        string              `json:"method,omitempty"`
	Target        string              `json:"target,omitempty"`
	Host          string              `json:"host,omitempty"`
	Header        map[string][]string `json:"header,omitempty"`
	Authorization []string            `json:"authorization,omitempty"`
	BodyLength    int64               `json:"bodyLength"`
	BodySha256    string              `json:"bodySha256,omitempty"`
	Version       string              `json:"version,omitempty"`
	Alpn          string              `json:"alpn,omitempty"`
	Sni           string              `json:"sni,omitempty"`
}

type journal struct {
	mutex sync.Mutex
	lines *json.Encoder
}

func newJournal(to io.Writer) *journal {
	return &journal{lines: json.NewEncoder(to)}
}

func (j *journal) add(line entry) error {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.lines.Encode(line)
}
