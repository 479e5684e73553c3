// SPDX-License-Identifier: Apache-2.0

// Command serve brings up a stand for tests in other languages: an OpenBao or Vault ($BAO), a simulated OpenAI, and two
// versions of the plugin in the plugin directory, one of them also declared in the server's configuration under the name
// "declared" where the server knows such a thing. It prints what is where as one line of JSON and ends with its input.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"pulumi-riptides/engine/stand"
)

type place struct {
	Address  string         `json:"address"`
	Token    string         `json:"token"`
	Config   map[string]any `json:"config"`
	Project  string         `json:"project"`
	Endpoint string         `json:"endpoint"`
	Plugins  []stand.Plugin `json:"plugins"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "engine stand:", err)
		os.Exit(1)
	}
}

func run() error {
	bao, err := stand.FindBao()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "engine-stand-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		return err
	}
	first, err := stand.BuildPlugin(plugins, "engine-1", "", "")
	if err != nil {
		return err
	}
	second, err := stand.BuildPlugin(plugins, "engine-2", "9.9.9", "")
	if err != nil {
		return err
	}
	server, err := stand.StartServer(stand.ServerOptions{Binary: bao, Dir: dir, PluginDir: plugins, Declared: first.Stanza("declared")})
	if err != nil {
		return err
	}
	defer server.Stop()
	openai, err := stand.StartOpenAI()
	if err != nil {
		return err
	}
	defer openai.Close()
	said, err := json.Marshal(place{server.Address, server.Token, openai.Config(), stand.Project, openai.Endpoint, []stand.Plugin{first, second}})
	if err != nil {
		return err
	}
	fmt.Println(string(said))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
