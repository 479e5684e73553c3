// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"debug/elf"
	"os"
	"path/filepath"
	"testing"

	"pulumi-riptides/engine/stand"
)

func TestBuildIsStaticAndTheSameFromAnywhere(t *testing.T) {
	t.Parallel()
	source, elsewhere := "..", filepath.Join(t.TempDir(), "somewhere", "else")
	for _, part := range []string{"backend", "build.sh", "cmd", "go.mod", "go.sum", "openai", "version"} {
		from, to := filepath.Join(source, part), filepath.Join(elsewhere, part)
		info, err := os.Stat(from)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			err = os.CopyFS(to, os.DirFS(from))
		} else if text, failed := os.ReadFile(from); failed != nil {
			err = failed
		} else if err = os.MkdirAll(elsewhere, 0o700); err == nil {
			err = os.WriteFile(to, text, info.Mode())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	built, err := stand.BuildPluginFrom(elsewhere, t.TempDir(), "openai", "", "")
	if err != nil {
		t.Fatal(err)
	}
	if built != plugin {
		t.Errorf("built in another place it is %+v, not %+v", built, plugin)
	}
	file, err := elf.Open(filepath.Join(pluginDir, plugin.Command))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("the plugin is linked dynamically: it has a segment %s", part.Type)
		}
	}
}
