// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Error is an answer of OpenAI that is not a success.
type Error struct {
	Status     int
	Type       string
	Code       string
	Param      string
	Message    string
	RetryAfter time.Duration // zero when OpenAI asked for no pause
	shaped     bool          // the body was an OpenAI error object
}

func (e *Error) Error() string {
	if !e.shaped {
		return fmt.Sprintf("API error (%d) from OpenAI", e.Status)
	}
	text := fmt.Sprintf("API error (%d): %s - %s", e.Status, e.Type, e.Message)
	if e.Code != "" {
		text += fmt.Sprintf(" (code: %s)", e.Code)
	}
	if e.Param != "" {
		text += fmt.Sprintf(" (param: %s)", e.Param)
	}
	return text
}

// TransportError is a call without a complete answer. Sent tells whether the request may have reached OpenAI.
type TransportError struct {
	Sent bool
	Err  error
}

func (e *TransportError) Error() string { return "no answer from OpenAI: " + e.Err.Error() }
func (e *TransportError) Unwrap() error { return e.Err }

// BodyError is a success whose body cannot be read as what was asked for.
type BodyError struct{ Reason string }

func (e *BodyError) Error() string { return "unreadable answer from OpenAI: " + e.Reason }

// Unmade tells that a failed call certainly changed nothing at OpenAI.
func Unmade(err error) bool {
	if transport, ok := errors.AsType[*TransportError](err); ok {
		return !transport.Sent
	}
	if api, ok := errors.AsType[*Error](err); ok {
		return api.Status >= 400 && api.Status < 500 && api.Status != http.StatusRequestTimeout
	}
	return false
}

// Final tells that the call can have no effect any more after its answer. An error page of something in between is no
// such answer: behind a gateway that has lost patience, OpenAI may still be at work.
func Final(err error) bool {
	api, ok := errors.AsType[*Error](err)
	return ok && api.shaped && api.Status != http.StatusRequestTimeout && api.Status != http.StatusGatewayTimeout
}

// Gone tells that OpenAI does not know the object any more. A 404 for the address itself is no such answer: a wrong
// api_endpoint must not pass for a deletion.
func Gone(err error) bool {
	api, ok := errors.AsType[*Error](err)
	return ok && api.Status == http.StatusNotFound && api.shaped &&
		api.Code != "unknown_url" && !strings.HasPrefix(api.Message, "Invalid URL")
}

// Refused tells that OpenAI did not accept the key or the organization.
func Refused(err error) bool {
	api, ok := errors.AsType[*Error](err)
	return ok && (api.Status == http.StatusUnauthorized || api.Status == http.StatusForbidden)
}

// Definite tells that the same call would fail again: OpenAI understood it and said no.
func Definite(err error) bool {
	api, ok := errors.AsType[*Error](err)
	return ok && !retryable(api.Status)
}

func retryable(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

const maxMessage = 300

// parseError reads an error answer; it makes something of every body, OpenAI's or a proxy's.
func parseError(status int, header http.Header, body []byte, now time.Time) *Error {
	e := &Error{Status: status, RetryAfter: retryAfter(header.Get("Retry-After"), now)}
	var decoded struct {
		Error *struct {
			Message string `json:"message"`
			Type    string `json:"type"`
			Param   any    `json:"param"`
			Code    any    `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &decoded) != nil || decoded.Error == nil {
		return e
	}
	e.shaped = true
	e.Type = clean(decoded.Error.Type)
	e.Message = clean(decoded.Error.Message)
	e.Code = clean(scalar(decoded.Error.Code))
	e.Param = clean(scalar(decoded.Error.Param))
	return e
}

// scalar prints the JSON strings and numbers that OpenAI puts into code and param.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return ""
	}
}

var keyLike = regexp.MustCompile(`sk-[\w*.-]+`)

// clean makes foreign text fit for a log line: no key, even half hidden, no control characters, bounded length.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "?")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	text = keyLike.ReplaceAllString(text, "sk-[redacted]")
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "..."
	}
	return text
}

// retryAfter reads seconds or an HTTP date; anything else is no wish.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if seconds > 0 && seconds < 86400 {
			return time.Duration(seconds * float64(time.Second))
		}
		return 0
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
