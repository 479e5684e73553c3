// SPDX-License-Identifier: Apache-2.0

package stand

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Plugin is a built plugin in a plugin directory.
type Plugin struct {
	Command string `json:"command"`
	SHA256  string `json:"sha256"`
	Version string `json:"version"`
}

// Stanza declares the plugin in a server's configuration.
func (p Plugin) Stanza(name string) string {
	return fmt.Sprintf("plugin \"secret\" %q {\n  command   = %q\n  version   = \"v%s\"\n  sha256sum = %q\n}", name, p.Command, p.Version, p.SHA256)
}

// BuildPlugin builds the plugin of this checkout into dir. Version "" is that of the source; tags may be empty.
func BuildPlugin(dir, command, version, tags string) (Plugin, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return Plugin{}, fmt.Errorf("the source of the engine cannot be found")
	}
	return BuildPluginFrom(filepath.Dir(filepath.Dir(file)), dir, command, version, tags)
}

// BuildPluginFrom is BuildPlugin for the engine in the folder source.
func BuildPluginFrom(source, dir, command, version, tags string) (Plugin, error) {
	out := filepath.Join(dir, command)
	build := exec.Command(filepath.Join(source, "build.sh"), out)
	build.Env = append(os.Environ(), "VERSION="+version, "GOFLAGS=-tags="+tags)
	sum, err := build.Output()
	if err != nil {
		if failed, ok := err.(*exec.ExitError); ok {
			return Plugin{}, fmt.Errorf("building the plugin: %w: %s", err, failed.Stderr)
		}
		return Plugin{}, fmt.Errorf("building the plugin: %w", err)
	}
	reported, err := exec.Command(out, "--version").Output()
	if err != nil {
		return Plugin{}, err
	}
	return Plugin{command, strings.TrimSpace(string(sum)), strings.TrimSpace(string(reported))}, nil
}

// Register puts a plugin into the server's catalog under a name and its version.
func (s *Server) Register(name string, p Plugin) error {
	return s.Must("POST", "sys/plugins/catalog/secret/"+name, map[string]any{
		"command": p.Command, "sha256": p.SHA256, "version": p.Version,
	}).Err
}

// Mount mounts a registered plugin.
func (s *Server) Mount(path, name string, p Plugin) error {
	return s.Must("POST", "sys/mounts/"+path, map[string]any{
		"type": name, "config": map[string]any{"plugin_version": "v" + p.Version},
	}).Err
}
