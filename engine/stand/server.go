// SPDX-License-Identifier: Apache-2.0

// Package stand brings up a real OpenBao or Vault with the plugin and a simulated OpenAI, for tests and benchmarks.
package stand

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server is a running OpenBao or Vault with one key share. Its storage survives a seal and, with Disk, a kill.
type Server struct {
	Address string
	Token   string
	LogFile string

	binary, config, dir, unsealKey string
	process                        *exec.Cmd
	exited                         chan struct{}
	log                            *os.File
	http                           *http.Client
}

// ServerOptions say how a server runs.
type ServerOptions struct {
	Binary    string
	Dir       string // for its configuration, log and storage
	PluginDir string
	Disk      bool // raft storage on disk instead of memory
	// RequestLimit is how long a request may take at most; zero: the server's default of 90 s.
	RequestLimit time.Duration
	// Declared is put into its configuration as it is.
	Declared string
}

// FindBao gives the path of bao: $BAO, else from PATH, else from where it is built for development.
func FindBao() (string, error) {
	if path := os.Getenv("BAO"); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath("bao"); err == nil {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	cache := os.Getenv("RIPTIDES_CACHE")
	if cache == "" {
		cache = filepath.Join(home, ".cache", "pulumi-riptides")
	}
	found, err := filepath.Glob(filepath.Join(cache, "tools", "*", "bao"))
	if err != nil {
		return "", err
	}
	for _, path := range append(found, filepath.Join(cache, "tools", "bao"), filepath.Join(home, "stand", "bin", "bao")) {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o100 != 0 {
			return path, nil
		}
	}
	return "", errors.New("no OpenBao was found: put bao on PATH or its path into $BAO (npm run lab -- up fetches one)")
}

// StartServer starts, initialises and unseals a server.
func StartServer(o ServerOptions) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cluster, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{
		Address: fmt.Sprintf("http://127.0.0.1:%d", port),
		LogFile: filepath.Join(o.Dir, "server.log"),
		binary:  o.Binary, dir: o.Dir, config: filepath.Join(o.Dir, "server.hcl"),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 2 * time.Minute},
	}
	storage := `storage "inmem" {}`
	if o.Disk {
		data := filepath.Join(o.Dir, "data")
		if err := os.MkdirAll(data, 0o700); err != nil {
			return nil, err
		}
		storage = fmt.Sprintf("storage \"raft\" {\n  path = %q\n  node_id = \"stand\"\n}", data)
	}
	limit := ""
	if o.RequestLimit > 0 {
		limit = fmt.Sprintf("max_request_duration = %q", o.RequestLimit)
	}
	extra := ""
	if strings.Contains(filepath.Base(o.Binary), "vault") {
		extra = "disable_mlock = true"
	}
	text := fmt.Sprintf(`%s
listener "tcp" {
  address         = "127.0.0.1:%d"
  cluster_address = "127.0.0.1:%d"
  tls_disable     = true
  %s
}
plugin_directory = %q
api_addr         = %q
cluster_addr     = "https://127.0.0.1:%d"
log_level        = "trace"
%s
%s
`, storage, port, cluster, limit, o.PluginDir, s.Address, cluster, extra, o.Declared)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := s.run(); err != nil {
		return nil, err
	}
	var init struct {
		Keys      []string `json:"keys_base64"`
		RootToken string   `json:"root_token"`
	}
	if err := s.Must("PUT", "sys/init", map[string]int{"secret_shares": 1, "secret_threshold": 1}).Into(&init); err != nil {
		s.Stop()
		return nil, err
	}
	s.unsealKey, s.Token = init.Keys[0], init.RootToken
	if err := s.Unseal(); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) run() (err error) {
	if s.log, err = os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	s.process = exec.Command(s.binary, "server", "-config="+s.config)
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if err := s.process.Start(); err != nil {
		s.log.Close()
		return err
	}
	s.exited = make(chan struct{})
	go func(p *exec.Cmd, exited chan struct{}) {
		p.Wait()
		close(exited)
	}(s.process, s.exited)
	return s.until("it answers", func() bool { return s.health() != 0 })
}

// health gives the status of sys/health, 0 while nothing answers.
func (s *Server) health() int {
	reply, err := s.http.Get(s.Address + "/v1/sys/health")
	if err != nil {
		return 0
	}
	reply.Body.Close()
	return reply.StatusCode
}

// until polls: a server tells nobody when it has come up.
func (s *Server) until(what string, done func() bool) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if done() {
			return nil
		}
		select {
		case <-s.exited:
			text, _ := os.ReadFile(s.LogFile)
			return fmt.Errorf("the server ended before %s: %s", what, tail(text))
		default:
		}
	}
	return fmt.Errorf("the server did not come so far within a minute that %s; see %s", what, s.LogFile)
}

func tail(text []byte) []byte { return bytes.TrimSpace(text[max(0, len(text)-2000):]) }

// Unseal unseals and waits until the server is active.
func (s *Server) Unseal() error {
	if _, err := s.Do("PUT", "sys/unseal", map[string]string{"key": s.unsealKey}); err != nil {
		return err
	}
	return s.until("it is active", func() bool { return s.health() == http.StatusOK })
}

// Seal seals the server.
func (s *Server) Seal() error { return s.Must("PUT", "sys/seal", nil).Err }

// Kill ends the server as a crash would; Restart brings it back, unsealed.
func (s *Server) Kill() {
	s.process.Process.Kill()
	<-s.exited
	s.log.Close()
}

// Restart starts a killed server again and unseals it.
func (s *Server) Restart() error {
	if err := s.run(); err != nil {
		return err
	}
	return s.Unseal()
}

// Stop ends the server.
func (s *Server) Stop() {
	s.process.Process.Signal(os.Interrupt)
	select {
	case <-s.exited:
		s.log.Close()
	case <-time.After(15 * time.Second):
		s.Kill()
	}
}

// PID is the process id of the server.
func (s *Server) PID() int { return s.process.Process.Pid }

// Plugins gives the process ids of the server's plugins.
func (s *Server) Plugins() ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (command) state ppid ...; the command may hold spaces and parentheses.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(s.PID()) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

var givenPorts struct {
	sync.Mutex
	ports map[int]bool
}

// freePort gives a port that was free a moment ago and that this process has not given out before.
func freePort() (int, error) {
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		givenPorts.Lock()
		if givenPorts.ports == nil {
			givenPorts.ports = map[int]bool{}
		}
		taken := givenPorts.ports[port]
		givenPorts.ports[port] = true
		givenPorts.Unlock()
		if !taken {
			return port, nil
		}
	}
	return 0, errors.New("no free port was found")
}
