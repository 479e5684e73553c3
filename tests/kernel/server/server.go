// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// server answers requests over TLS:
//
//	/big/N       N bytes
//	/late/MS     after that time
//	/bye         ends the connection after the answer
//	/drop        resets the connection instead of an answer
//	/truncate    half of an answer, then the end without close_notify
//	anything     the journal's line of the request
type server struct {
	port   int
	config *tls.Config
	lines  *journal
}

func (s server) note(line entry) {
	line.Port = s.port
	if err := s.lines.add(line); err != nil {
		log.Fatal(err)
	}
}

// peeked is a connection whose first bytes were looked at.
type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p peeked) Read(buffer []byte) (int, error) { return p.reader.Read(buffer) }

func (s server) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	first, err := reader.Peek(1)
	if err != nil {
		s.note(entry{What: "refused", Detail: err.Error()})
		return
	}
	if first[0] != 22 {
		s.plain(reader)
		return
	}
	secure := tls.Server(peeked{conn, reader}, s.config)
	if err := secure.Handshake(); err != nil {
		s.note(entry{What: "refused", Detail: err.Error()})
		return
	}
	state := secure.ConnectionState()
	open := entry{
		What:    "open",
		Version: tls.VersionName(state.Version),
		Alpn:    state.NegotiatedProtocol,
		Sni:     state.ServerName,
	}
	s.note(open)
	s.requests(secure, conn, open)
}

// plain notes what a peer sends without TLS, and does not answer.
func (s server) plain(reader *bufio.Reader) {
	buffer := make([]byte, 4096)
	length, err := reader.Read(buffer)
	if err != nil {
		log.Fatal(err)
	}
	s.note(entry{What: "plain", Detail: string(buffer[:length])})
}

func (s server) requests(secure *tls.Conn, conn net.Conn, open entry) {
	reader := bufio.NewReader(secure)
	for {
		request, err := http.ReadRequest(reader)
		switch {
		case errors.Is(err, io.EOF):
			s.note(entry{What: "end"})
			secure.Close()
			return
		case err != nil:
			s.note(entry{What: "broken", Detail: err.Error()})
			return
		}
		if request.Header.Get("Expect") == "100-continue" {
			fmt.Fprint(secure, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		sum := sha256.New()
		length, err := io.Copy(sum, request.Body)
		if err != nil {
			s.note(entry{What: "broken", Target: request.RequestURI, Detail: err.Error()})
			return
		}
		line := entry{
			What:          "request",
			Method:        request.Method,
			Target:        request.RequestURI,
			Host:          request.Host,
			Header:        request.Header,
			Authorization: request.Header.Values("Authorization"),
			BodyLength:    length,
			BodySha256:    hex.EncodeToString(sum.Sum(nil)),
			Version:       open.Version,
			Alpn:          open.Alpn,
			Sni:           open.Sni,
		}
		s.note(line)
		if !answer(secure, conn, request, line) {
			return
		}
	}
}

// answer tells whether the connection goes on.
func answer(secure *tls.Conn, conn net.Conn, request *http.Request, line entry) bool {
	path, number, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/")
	count, _ := strconv.Atoi(number)
	switch path {
	case "big":
		fmt.Fprintf(secure, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", count)
		_, err := io.CopyN(secure, repeated('b'), int64(count))
		return err == nil
	case "drop":
		conn.(*net.TCPConn).SetLinger(0)
		return false
	case "truncate":
		fmt.Fprint(secure, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		conn.(*net.TCPConn).CloseWrite()
		return false
	case "late":
		time.Sleep(time.Duration(count) * time.Millisecond)
	}
	body, err := json.Marshal(line)
	if err != nil {
		log.Fatal(err)
	}
	end := ""
	if path == "bye" || request.Close {
		end = "Connection: close\r\n"
	}
	fmt.Fprintf(secure, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s", len(body), end, body)
	if end != "" {
		secure.Close()
	}
	return end == ""
}

type repeated byte

func (r repeated) Read(buffer []byte) (int, error) {
	for i := range buffer {
		buffer[i] = byte(r)
	}
	return len(buffer), nil
}

// drop ends the connection after the first bytes, hold keeps silent, garble answers what is no TLS.
func (s server) drop(conn net.Conn) {
	s.read(conn)
	conn.Close()
}

func (s server) hold(conn net.Conn) {
	s.read(conn)
	io.Copy(io.Discard, conn)
	conn.Close()
}

func (s server) garble(conn net.Conn) {
	s.read(conn)
	fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
	conn.Close()
}

// read notes a peer that sends something else than a TLS handshake.
func (s server) read(conn net.Conn) {
	buffer := make([]byte, 4096)
	length, err := conn.Read(buffer)
	if err == nil && buffer[0] != 22 {
		s.note(entry{What: "plain", Detail: string(buffer[:length])})
	}
}
