// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"testing"

	"pulumi-riptides/engine/stand"
)

// Vault has no such stanza.
func TestPluginDeclaredInTheServersConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, err := stand.StartServer(stand.ServerOptions{
		Binary: binaries["bao"], Dir: dir, PluginDir: pluginDir, Declared: plugin.Stanza("openai"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	entry := server.Must("GET", "sys/plugins/catalog/secret/openai?version=v"+plugin.Version, nil)
	if entry.Err != nil || entry.Data["declarative"] != true || entry.Text("sha256") != plugin.SHA256 {
		t.Errorf("the catalog has %v, %v", entry.Data, entry.Err)
	}
	p := newPlace(t, server)
	p.configured(nil)
	p.creds()
	if err := server.Seal(); err != nil {
		t.Fatal(err)
	}
	if err := server.Unseal(); err != nil {
		t.Fatal(err)
	}
	p.balanced()
	p.unmounted()
}
