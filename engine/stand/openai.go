// SPDX-License-Identifier: Apache-2.0

package stand

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"pulumi-riptides/lab/simulator"
)

// Ids that a simulated OpenAI starts with.
const (
	Organization = "org-stand"
	Project      = "proj_stand"
	AdminKeyID   = "key_seed"
)

// OpenAI is a simulated OpenAI with an address.
type OpenAI struct {
	*simulator.Simulator
	Endpoint string
	AdminKey string

	server *http.Server
}

// StartOpenAI starts one with an admin key of its own.
func StartOpenAI() (*OpenAI, error) {
	random := make([]byte, 24)
	rand.Read(random)
	o := &OpenAI{AdminKey: "sk-admin-" + hex.EncodeToString(random)}
	var err error
	o.Simulator, err = simulator.New(simulator.Options{
		Organization: Organization, Project: Project, ProjectName: "Stand", AdminKeyID: AdminKeyID, AdminKey: o.AdminKey,
	})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o.Endpoint = "http://" + l.Addr().String() + "/v1"
	o.server = &http.Server{Handler: o.API(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go o.server.Serve(l)
	return o, nil
}

// Close ends it; calls under way are cut off.
func (o *OpenAI) Close() { o.server.Close() }

// Config is a configuration of the engine for it.
func (o *OpenAI) Config() map[string]any {
	return map[string]any{
		"organization_id": Organization, "admin_api_key": o.AdminKey, "admin_api_key_id": AdminKeyID,
		"api_endpoint": o.Endpoint, "allow_insecure_endpoint": true,
	}
}
