// SPDX-License-Identifier: Apache-2.0

// Command engine measures the secrets engine on a real OpenBao with storage on disk, beside the same engine without
// write-ahead entries and beside the server's own kv engine as the floor. OpenAI is simulated and answers at once, so
// what is seen is the engine's and the server's own time. It prints one JSON object a line.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"pulumi-riptides/engine/stand"
)

const (
	rounds    = 3
	oneByOne  = 100
	manyReads = 320
	many      = 32
)

// row is one comparison; a ratio above 1 means that ours is better.
type row struct {
	Bench string  `json:"bench"`
	Ours  float64 `json:"ours"`
	Peer  float64 `json:"peer"`
	Ratio float64 `json:"ratio"`
	Unit  string  `json:"unit"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench engine:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "bench-engine-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	server, subjects, err := prepare(dir)
	if err != nil {
		return err
	}
	defer server.Stop()
	for range rounds {
		// In turns, so that what else the machine does meets all of them.
		for _, s := range subjects {
			if err := s.measure(server); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	ours, without, kv := subjects[0], subjects[1], subjects[2]
	for _, peer := range []*subject{without, kv} {
		for _, figure := range figures {
			if len(peer.seen[figure.name]) == 0 {
				continue
			}
			text, err := json.Marshal(compare(ours, peer, figure))
			if err != nil {
				return err
			}
			fmt.Println(string(text))
		}
	}
	return nil
}

// compare takes the median of the figures, and of the ratios of the figures of each round.
func compare(ours, peer *subject, f figure) row {
	mine, theirs := ours.seen[f.name], peer.seen[f.name]
	ratios := make([]float64, len(mine))
	for i := range mine {
		ratios[i] = theirs[i] / mine[i]
		if f.moreIsBetter {
			ratios[i] = mine[i] / theirs[i]
		}
	}
	return row{
		Bench: fmt.Sprintf("engine: %s, beside %s", f.name, peer.name),
		Ours:  median(mine), Peer: median(theirs), Ratio: median(ratios), Unit: f.unit,
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// prepare starts a server with the engine, the engine without write-ahead entries, and kv.
func prepare(dir string) (*stand.Server, []*subject, error) {
	bao, err := stand.FindBao()
	if err != nil {
		return nil, nil, err
	}
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		return nil, nil, err
	}
	server, err := stand.StartServer(stand.ServerOptions{Binary: bao, Dir: dir, PluginDir: plugins, Disk: true})
	if err != nil {
		return nil, nil, err
	}
	subjects := []*subject{
		{name: "ours", mount: "openai"},
		{name: "no write-ahead", mount: "openai-bare", tags: "nowriteahead"},
		{name: "kv", mount: "kv"},
	}
	for _, s := range subjects {
		if err := s.install(server, plugins); err != nil {
			server.Stop()
			return nil, nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return server, subjects, nil
}
