// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestErrorTexts(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{404, `{"error":{"message":"Project not found","type":"invalid_request_error","param":null,"code":"not_found"}}`,
			"API error (404): invalid_request_error - Project not found (code: not_found)"},
		{400, `{"error":{"message":"no","type":"t","param":"name","code":17}}`, "API error (400): t - no (code: 17) (param: name)"},
		{401, `{"error":{"message":"Incorrect API key provided: sk-admin-abc*******wxyz. You can","type":"t"}}`,
			"API error (401): t - Incorrect API key provided: sk-[redacted] You can"},
		{502, "<html><body>Bad Gateway</body></html>", "API error (502) from OpenAI"},
		{500, "", "API error (500) from OpenAI"},
		{500, "null", "API error (500) from OpenAI"},
		{500, `{"error":"text"}`, "API error (500) from OpenAI"},
		{500, `{"error":{"message":"a\nb\u001b[31m"}}`, "API error (500):  - a b [31m"},
	} {
		if got := parseError(c.status, http.Header{}, []byte(c.body), time.Now()).Error(); got != c.want {
			t.Errorf("%d %s:\n got %q\nwant %q", c.status, c.body, got, c.want)
		}
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0.5": 500 * time.Millisecond, "-3": 0, "soon": 0, "1e300": 0, "NaN": 0,
		"Fri, 02 Jan 2026 03:04:25 GMT": 20 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestWhatAnErrorTellsAboutItsEffect(t *testing.T) {
	shaped := func(status int, code, message string) error {
		return &Error{Status: status, Code: code, Message: message, shaped: true}
	}
	for _, c := range []struct {
		name                            string
		err                             error
		unmade, gone, refused, definite bool
		final                           bool
	}{
		{"not sent", &TransportError{}, true, false, false, false, false},
		{"sent", &TransportError{Sent: true}, false, false, false, false, false},
		{"garbled", &BodyError{}, false, false, false, false, false},
		{"400", shaped(400, "", ""), true, false, false, true, true},
		{"401", shaped(401, "", ""), true, false, true, true, true},
		{"403", shaped(403, "", ""), true, false, true, true, true},
		{"404", shaped(404, "not_found", ""), true, true, false, true, true},
		{"404 of a wrong path", shaped(404, "", "Invalid URL (DELETE /organization)"), true, false, false, true, true},
		{"404 of a proxy", &Error{Status: 404}, true, false, false, true, false},
		{"408", shaped(408, "", ""), false, false, false, false, false},
		{"429", shaped(429, "", ""), true, false, false, false, true},
		{"500", shaped(500, "", ""), false, false, false, false, true},
		{"302", &Error{Status: 302}, false, false, false, true, false},
		{"502 of a proxy", &Error{Status: 502}, false, false, false, false, false},
		{"504", shaped(504, "", ""), false, false, false, false, false},
	} {
		if Unmade(c.err) != c.unmade || Gone(c.err) != c.gone || Refused(c.err) != c.refused || Definite(c.err) != c.definite || Final(c.err) != c.final {
			t.Errorf("%s: unmade %v, gone %v, refused %v, definite %v, final %v", c.name, Unmade(c.err), Gone(c.err), Refused(c.err), Definite(c.err), Final(c.err))
		}
	}
}

// The seeds are in testdata/fuzz/FuzzErrorBody.
func FuzzErrorBody(f *testing.F) {
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		e := parseError(status, http.Header{"Retry-After": {after}}, []byte(body), time.Unix(0, 0))
		text := e.Error()
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("not printable: %q", text)
		}
		if len([]rune(text)) > 4*(maxMessage+10)+100 {
			t.Errorf("too long: %d", len(text))
		}
		if keyLike.MatchString(strings.ReplaceAll(text, "sk-[redacted]", "")) {
			t.Errorf("a key is shown: %q", text)
		}
		if e.RetryAfter < 0 {
			t.Errorf("a pause of %s", e.RetryAfter)
		}
		if !json.Valid([]byte(body)) && e.shaped {
			t.Errorf("%q passes for an error of OpenAI", body)
		}
	})
}
