// SPDX-License-Identifier: Apache-2.0

// Command riptides-openai-engine is the OpenAI secrets engine as a plugin of OpenBao and Vault.
package main

import (
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/plugin"

	"pulumi-riptides/engine/backend"
	"pulumi-riptides/engine/version"
)

func main() {
	if len(os.Args) > 1 {
		if len(os.Args) == 2 && os.Args[1] == "--version" {
			fmt.Println(version.Number)
			return
		}
		fmt.Fprintf(os.Stderr, "usage: %s [--version]\nThe server starts this program by itself once it is registered as a plugin.\n", os.Args[0])
		os.Exit(2)
	}
	if err := plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: backend.Factory}); err != nil {
		hclog.New(&hclog.LoggerOptions{JSONFormat: true}).Error("the plugin cannot serve", "error", err)
		os.Exit(1)
	}
}
