// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"pulumi-riptides/engine/stand"
)

type figure struct {
	name, unit   string
	moreIsBetter bool
}

var figures = []figure{
	{"creds p50, 1 at once", "ms", false},
	{"creds p99, 1 at once", "ms", false},
	{"creds p50, 32 at once", "ms", false},
	{"creds p99, 32 at once", "ms", false},
	{"revocations", "per s", true},
	{"plugin RSS", "MB", false},
}

// subject is one engine under measurement. seen has one value per round for each figure.
type subject struct {
	name, mount, tags string
	command           string
	openai            *stand.OpenAI
	seen              map[string][]float64
}

func (s *subject) isKV() bool { return s.mount == "kv" }

func (s *subject) install(server *stand.Server, plugins string) error {
	s.seen = map[string][]float64{}
	if s.isKV() {
		if err := server.Must("POST", "sys/mounts/kv", map[string]any{"type": "kv"}).Err; err != nil {
			return err
		}
		return server.Must("POST", "kv/agent", map[string]string{"api_key": "sk-svcacct-of-the-length-that-a-key-has-at-openai-0123456789"}).Err
	}
	plugin, err := stand.BuildPlugin(plugins, "plugin-"+s.mount, "", s.tags)
	if err != nil {
		return err
	}
	s.command = filepath.Join(plugins, plugin.Command)
	if s.openai, err = stand.StartOpenAI(); err != nil {
		return err
	}
	if err := server.Register(s.mount, plugin); err != nil {
		return err
	}
	if err := server.Mount(s.mount, s.mount, plugin); err != nil {
		return err
	}
	if err := server.Must("POST", s.mount+"/config", s.openai.Config()).Err; err != nil {
		return err
	}
	return server.Must("POST", s.mount+"/roles/agent", map[string]any{"project_id": stand.Project}).Err
}

func (s *subject) note(name string, value float64) { s.seen[name] = append(s.seen[name], value) }

// measure runs one round: reads one by one, reads many at once, the end of all their leases.
func (s *subject) measure(server *stand.Server) error {
	path := s.mount + "/creds/agent"
	if s.isKV() {
		path = "kv/agent"
	}
	read := func(int) error { return server.Must("GET", path, nil).Err }
	for _, load := range []struct{ workers, count int }{{1, oneByOne}, {many, manyReads}} {
		times, _, err := timed(load.workers, load.count, read)
		if err != nil {
			return err
		}
		slices.Sort(times)
		s.note(fmt.Sprintf("creds p50, %d at once", load.workers), milliseconds(times[len(times)/2]))
		s.note(fmt.Sprintf("creds p99, %d at once", load.workers), milliseconds(times[len(times)*99/100]))
	}
	if s.isKV() {
		return s.deleteSecrets(server)
	}
	size, err := s.rss(server)
	if err != nil {
		return err
	}
	s.note("plugin RSS", size)
	start := time.Now()
	if err := server.Must("PUT", "sys/leases/revoke-prefix/"+s.mount+"/creds", map[string]bool{"sync": true}).Err; err != nil {
		return err
	}
	s.note("revocations", float64(oneByOne+manyReads)/time.Since(start).Seconds())
	if n := s.openai.State().LiveKeys; n != 0 {
		return fmt.Errorf("%d keys live after all leases were revoked", n)
	}
	return nil
}

// deleteSecrets is the floor for revocations: as many deletions, each a request of its own, as kv has no leases.
func (s *subject) deleteSecrets(server *stand.Server) error {
	name := func(i int) string { return "kv/victim-" + strconv.Itoa(i) }
	if _, _, err := timed(many, manyReads, func(i int) error {
		return server.Must("POST", name(i), map[string]string{"a": "b"}).Err
	}); err != nil {
		return err
	}
	_, took, err := timed(many, manyReads, func(i int) error { return server.Must("DELETE", name(i), nil).Err })
	s.note("revocations", manyReads/took.Seconds())
	return err
}

// rss gives the resident size of the subject's plugin process in MB.
func (s *subject) rss(server *stand.Server) (float64, error) {
	pids, err := server.Plugins()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		folder := filepath.Join("/proc", strconv.Itoa(pid))
		if exe, err := os.Readlink(filepath.Join(folder, "exe")); err != nil || exe != s.command {
			continue
		}
		status, err := os.ReadFile(filepath.Join(folder, "status"))
		if err != nil {
			return 0, err
		}
		for line := range bytes.Lines(status) {
			if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
				kilobytes, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
				return kilobytes / 1024, err
			}
		}
	}
	return 0, errors.New("the plugin has no process")
}

// timed runs a job count times with so many workers; it gives the time of each and of all together.
func timed(workers, count int, job func(i int) error) (each []time.Duration, all time.Duration, err error) {
	each = make([]time.Duration, count)
	failures := make([]error, count)
	queue := make(chan int)
	var wait sync.WaitGroup
	start := time.Now()
	for range workers {
		wait.Go(func() {
			for i := range queue {
				began := time.Now()
				failures[i] = job(i)
				each[i] = time.Since(began)
			}
		})
	}
	for i := range count {
		queue <- i
	}
	close(queue)
	wait.Wait()
	return each, time.Since(start), errors.Join(failures...)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
