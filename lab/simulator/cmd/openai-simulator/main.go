// SPDX-License-Identifier: Apache-2.0

// Command openai-simulator serves the OpenAI simulator, by its Host header an S3-like store, and at /sts/ what gives session
// credentials for it, over HTTP, TLS or both, and their control API on another port.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"pulumi-riptides/lab/simulator"
	"pulumi-riptides/lab/simulator/objects"
)

// adminKeyVariable names the environment variable with the first admin key: a command line can be read by every user.
const adminKeyVariable = "OPENAI_SIMULATOR_ADMIN_KEY"

type options struct {
	listen, tlsListen, tlsCert, tlsKey, control, readyFile string
	seed                                                   simulator.Options
}

// ready is the content of the ready file; an address that is not served is left out.
type ready struct {
	PID          int    `json:"pid"`
	HTTP         string `json:"http,omitempty"`
	HTTPS        string `json:"https,omitempty"`
	Control      string `json:"control"`
	Organization string `json:"organization"`
	Project      string `json:"project"`
	AdminKeyID   string `json:"admin_key_id"`
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", `address for plain HTTP; "" for none`)
	flag.StringVar(&o.tlsListen, "tls-listen", "127.0.0.1:0", "address for TLS, used with --tls-cert and --tls-key")
	flag.StringVar(&o.tlsCert, "tls-cert", "", "PEM file with the certificate chain")
	flag.StringVar(&o.tlsKey, "tls-key", "", "PEM file with the private key")
	flag.StringVar(&o.control, "control", "127.0.0.1:0", "loopback address for the control API")
	flag.StringVar(&o.readyFile, "ready-file", "", "file to write, as JSON, once all addresses are open")
	flag.StringVar(&o.seed.Organization, "organization", "org-simulated", "organization id")
	flag.StringVar(&o.seed.Project, "project", "proj_simulated", "id of the first, active project")
	flag.StringVar(&o.seed.ProjectName, "project-name", "Simulated", "name of the first project")
	flag.StringVar(&o.seed.AdminKeyID, "admin-key-id", "key_simulated", "id of the first admin key; its value is read from $"+adminKeyVariable)
	flag.Parse()
	o.seed.AdminKey = os.Getenv(adminKeyVariable)
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "openai-simulator:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.seed.AdminKey == "" {
		return errors.New("$" + adminKeyVariable + " is empty: set it to the first admin key")
	}
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	sim, err := simulator.New(o.seed)
	if err != nil {
		return err
	}
	store := objects.New()
	s3, sts, openai := sim.Record(store.Serve), sim.Record(store.AssumeRole), sim.API()
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case objects.Serves(r.Host):
			s3.ServeHTTP(w, r)
		case r.URL.Path == objects.TokenPath:
			sts.ServeHTTP(w, r)
		default:
			openai.ServeHTTP(w, r)
		}
	})
	control := http.NewServeMux()
	control.Handle("/", sim.Control())
	control.Handle("/control/aws-credentials", store.Control())
	control.Handle("/control/aws-credentials/", store.Control())
	said := ready{PID: os.Getpid(), Organization: o.seed.Organization, Project: o.seed.Project, AdminKeyID: o.seed.AdminKeyID}
	var servers []*http.Server
	failed := make(chan error, 3)
	serve := func(address string, handler http.Handler, config *tls.Config) (string, error) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return "", err
		}
		if config != nil {
			l = tls.NewListener(l, config)
		}
		// Dropped connections are this server's trade: its own complaints about them are noise.
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
		servers = append(servers, server)
		go func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
		return l.Addr().String(), nil
	}
	if o.listen != "" {
		address, err := serve(o.listen, api, nil)
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		said.HTTP = "http://" + address + "/v1"
	}
	if o.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return fmt.Errorf("--tls-cert: %w", err)
		}
		address, err := serve(o.tlsListen, api, &tls.Config{
			Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
		if err != nil {
			return fmt.Errorf("--tls-listen: %w", err)
		}
		said.HTTPS = "https://" + address + "/v1"
	}
	address, err := serve(o.control, control, nil)
	if err != nil {
		return fmt.Errorf("--control: %w", err)
	}
	if host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("--control: %s is not a loopback address", address)
	}
	said.Control = "http://" + address + "/control"
	if err := announce(o.readyFile, said); err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	for _, server := range servers {
		server.Close()
	}
	return err
}

// announce prints where the simulator is and writes the same to the ready file in one step.
func announce(file string, said ready) error {
	text, err := json.Marshal(said)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	os.Stdout.Write(text)
	if file == "" {
		return nil
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".ready-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.Write(text); err != nil {
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}
