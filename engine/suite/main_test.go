// SPDX-License-Identifier: Apache-2.0

// Package suite runs the plugin in a real OpenBao, and in a real Vault where there is one, against a simulated OpenAI.
// Its one law: whatever fails, the accounts at OpenAI are those that have a lease.
package suite

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	_ "pulumi-riptides/engine/backend" // what the plugin is built of: a change there must run these tests again
	"pulumi-riptides/engine/stand"
)

var (
	binaries  = map[string]string{}
	pluginDir string
	plugin    stand.Plugin
	// shared are the servers for tests that neither seal nor kill one.
	shared = map[string]*stand.Server{}
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("engine/suite: not run with -short")
		return
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine/suite:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	bao, err := stand.FindBao()
	if err != nil {
		return 1, err
	}
	binaries["bao"] = bao
	if vault, err := exec.LookPath("vault"); err == nil {
		binaries["vault"] = vault
	}
	dir, err := os.MkdirTemp("", "engine-suite-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return 1, err
	}
	pluginDir = filepath.Join(dir, "plugins")
	if err := os.Mkdir(pluginDir, 0o700); err != nil {
		return 1, err
	}
	if plugin, err = stand.BuildPlugin(pluginDir, "openai", "", ""); err != nil {
		return 1, err
	}
	for name, binary := range binaries {
		s, err := startServer(filepath.Join(dir, name), stand.ServerOptions{Binary: binary})
		if err != nil {
			return 1, fmt.Errorf("%s: %w", name, err)
		}
		defer s.Stop()
		shared[name] = s
	}
	// These tests wait far more than they compute.
	if err := flag.Set("test.parallel", "12"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// Every test runs on each server there is. This one shows which there were not.
func TestOnVaultToo(t *testing.T) {
	if binaries["vault"] == "" {
		t.Skip("there is no vault on PATH: the suite was run on OpenBao only")
	}
}

func startServer(dir string, o stand.ServerOptions) (*stand.Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	o.Dir, o.PluginDir = dir, pluginDir
	s, err := stand.StartServer(o)
	if err != nil {
		return nil, err
	}
	if err := s.Register("openai", plugin); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}
