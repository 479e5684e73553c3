// SPDX-License-Identifier: Apache-2.0

// wire-server DIRECTORY: the servers that the wire suite connects to, one port a behaviour. Writes DIRECTORY/ca.pem and
// DIRECTORY/journal (a JSON line for all that arrives), tells systemd when it listens and serves until it is
// ended.
package main

import (
	"crypto/tls"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	portGood = 8443 + iota
	portTLS12
	portWrongName
	portExpired
	portFuture
	portUnknownAuthority
	portDrop
	portSilent
	portGarbage
	portKeyUpdate
	portUndeclared
)

var names = []string{"api.test", "second.test"}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: wire-server DIRECTORY")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	if err := tellReady(); err != nil {
		log.Fatal(err)
	}
	select {}
}

func tellReady() error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	manager, err := net.Dial("unixgram", path)
	if err != nil {
		return err
	}
	defer manager.Close()
	_, err = manager.Write([]byte("READY=1"))
	return err
}

func run(directory string) error {
	file, err := os.OpenFile(filepath.Join(directory, "journal"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	known, err := newAuthority("wire suite")
	if err != nil {
		return err
	}
	unknown, err := newAuthority("unknown")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(directory, "ca.pem"), known.pem(), 0o644); err != nil {
		return err
	}
	now := time.Now()
	days := func(count int) time.Time { return now.Add(time.Duration(count) * 24 * time.Hour) }
	lines := newJournal(file)
	behaviours := []struct {
		port      int
		authority authority
		around    time.Time
		names     []string
		change    func(*tls.Config)
		serve     func(server, net.Conn)
	}{
		{portGood, known, now, names, nil, server.serve},
		{portTLS12, known, now, names, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, server.serve},
		{portWrongName, known, now, []string{"wrong.test"}, nil, server.serve},
		{portExpired, known, days(-9), names, nil, server.serve},
		{portFuture, known, days(9), names, nil, server.serve},
		{portUnknownAuthority, unknown, now, names, nil, server.serve},
		{portDrop, known, now, names, nil, server.drop},
		{portSilent, known, now, names, nil, server.hold},
		{portGarbage, known, now, names, nil, server.garble},
		{portKeyUpdate, known, now, names, nil, server.rekey},
		{portUndeclared, known, now, names, nil, server.serve},
	}
	for _, b := range behaviours {
		certificate, err := b.authority.issue(b.around, b.names, net.IPv4(127, 0, 0, 1))
		if err != nil {
			return err
		}
		config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}}
		if b.change != nil {
			b.change(config)
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("::", strconv.Itoa(b.port)))
		if err != nil {
			return err
		}
		go accept(listener, server{b.port, config, lines}, b.serve)
	}
	return nil
}

func accept(listener net.Listener, s server, serve func(server, net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(s, conn)
	}
}
