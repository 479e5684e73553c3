// SPDX-License-Identifier: Apache-2.0

// Package openai calls the part of OpenAI's Admin API that the secrets engine needs. No error of it holds a key.
package openai

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"pulumi-riptides/engine/version"
)

// CallTimeout bounds one call, its answer included.
const CallTimeout = 30 * time.Second

const maxBody = 1 << 20

// Client calls one endpoint with one admin key. It is safe for concurrent use.
type Client struct {
	endpoint     string
	key          string
	organization string
	link         *Link
}

// NewClient makes a client; endpoint is a base such as https://api.openai.com/v1.
func NewClient(link *Link, endpoint, organization, key string) *Client {
	return &Client{endpoint: endpoint, key: key, organization: organization, link: link}
}

// Link is what all clients of a mount share: connections, the limit on calls at once, the last failure.
type Link struct {
	http    *http.Client
	slots   chan struct{}
	failure atomic.Pointer[Failure]
}

// Failure is a failed call, for operators to see.
type Failure struct {
	At   time.Time
	Call string
	Text string
}

// NewLink allows atOnce calls at the same time; further ones wait for their turn.
func NewLink(atOnce int) *Link {
	return &Link{
		slots: make(chan struct{}, atOnce),
		http: &http.Client{
			Timeout: CallTimeout,
			Transport: &http.Transport{
				Proxy:               http.ProxyFromEnvironment,
				TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
				ForceAttemptHTTP2:   true,
				MaxIdleConnsPerHost: atOnce,
				IdleConnTimeout:     90 * time.Second,
				TLSHandshakeTimeout: 10 * time.Second,
			},
			// A redirect would carry the admin key to a place nobody configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// LastFailure gives the last failed call since the plugin started, nil when there was none.
func (l *Link) LastFailure() *Failure { return l.failure.Load() }

// Close ends idle connections.
func (l *Link) Close() { l.http.CloseIdleConnections() }

// call sends one request and decodes a success into reply.
func (c *Client) call(ctx context.Context, what, method, path string, body, reply any) error {
	err := c.exchange(ctx, method, path, body, reply)
	if err != nil {
		c.link.failure.Store(&Failure{At: time.Now(), Call: what, Text: err.Error()})
	}
	return err
}

func (c *Client) exchange(ctx context.Context, method, path string, body, reply any) error {
	select {
	case c.link.slots <- struct{}{}:
		defer func() { <-c.link.slots }()
	case <-ctx.Done():
		return &TransportError{Err: fmt.Errorf("waiting for a free connection: %w", ctx.Err())}
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return &TransportError{Err: err}
		}
		content = bytes.NewReader(text)
	}
	// From the moment it has a connection, a request counts as sent: one that is cut off while it is being written may
	// still arrive.
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	req, err := http.NewRequestWithContext(traced, method, c.endpoint+path, content)
	if err != nil {
		return &TransportError{Err: err}
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("OpenAI-Beta", "project-service-accounts=v1")
	req.Header.Set("OpenAI-Organization", c.organization)
	req.Header.Set("User-Agent", "riptides-openai-engine/"+version.Number)
	answer, err := c.link.http.Do(req)
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err
		}
		return &TransportError{Sent: sent.Load(), Err: err}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return &TransportError{Sent: true, Err: err}
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		// An answer may quote the key, of whatever form it is.
		text = bytes.ReplaceAll(text, []byte(c.key), []byte("[redacted]"))
		return parseError(answer.StatusCode, answer.Header, text, time.Now())
	}
	if len(text) > maxBody {
		return &BodyError{Reason: "larger than 1 MiB"}
	}
	if err := json.Unmarshal(text, reply); err != nil {
		return &BodyError{Reason: "not the JSON that was expected"}
	}
	return nil
}

// remove deletes an object; known is false when it was gone already. Only OpenAI's own word counts: a page of some proxy
// with status 200 deletes no key.
func (c *Client) remove(ctx context.Context, what, path string) (known bool, err error) {
	var reply struct {
		Deleted bool `json:"deleted"`
	}
	err = c.call(ctx, what, http.MethodDelete, path, nil, &reply)
	if Gone(err) {
		return false, nil
	}
	if err == nil && !reply.Deleted {
		return true, &BodyError{Reason: "a deletion that is not confirmed"}
	}
	return true, err
}
