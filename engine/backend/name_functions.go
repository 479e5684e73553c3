// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-uuid"
)

// maxText bounds what a function of a template may give, so that nested ones cannot grow without end.
const maxText = 4 * maxName

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// nameFunctions have the names and arguments of the functions that Vault's templates have.
var nameFunctions = template.FuncMap{
	"random":          randomLetters,
	"truncate":        truncate,
	"truncate_sha256": truncateSHA256,
	"uppercase":       func(s string) (string, error) { return bounded(strings.ToUpper(s)) },
	"lowercase":       func(s string) (string, error) { return bounded(strings.ToLower(s)) },
	"replace": func(from, to, s string) (string, error) {
		if (len(s)+1)*(len(to)+1) > maxText*16 {
			return "", fmt.Errorf("replace would give too long a text")
		}
		return bounded(strings.ReplaceAll(s, from, to))
	},
	"sha256":           func(s string) string { return hexSHA256(s) },
	"base64":           func(s string) (string, error) { return bounded(base64.StdEncoding.EncodeToString([]byte(s))) },
	"unix_time":        func() string { return strconv.FormatInt(time.Now().Unix(), 10) },
	"unix_time_millis": func() string { return strconv.FormatInt(time.Now().UnixMilli(), 10) },
	"timestamp":        func(layout string) (string, error) { return bounded(time.Now().Format(layout)) },
	"uuid":             uuid.GenerateUUID,
}

func bounded(s string) (string, error) {
	if len(s) > maxText {
		return "", fmt.Errorf("a function gives more than %d bytes", maxText)
	}
	return s, nil
}

func randomLetters(length int) (string, error) {
	if length < 1 || length > maxName {
		return "", fmt.Errorf("random needs a length between 1 and %d", maxName)
	}
	letters := make([]byte, 0, length)
	for b := make([]byte, 2*length); ; {
		rand.Read(b)
		for _, x := range b {
			if int(x) < 256-256%len(base62) {
				letters = append(letters, base62[int(x)%len(base62)])
			}
			if len(letters) == length {
				return string(letters), nil
			}
		}
	}
}

// truncate cuts at a byte count, and never inside a character.
func truncate(length int, s string) (string, error) {
	if length <= 0 {
		return "", fmt.Errorf("max length must be > 0 but was %d", length)
	}
	if len(s) <= length {
		return s, nil
	}
	for length > 0 && !utf8.RuneStart(s[length]) {
		length--
	}
	return s[:length], nil
}

func truncateSHA256(length int, s string) (string, error) {
	const hashed = 8
	if length <= hashed {
		return "", fmt.Errorf("max length must be > %d but was %d", hashed, length)
	}
	if len(s) <= length {
		return s, nil
	}
	head, err := truncate(length-hashed, s)
	return head + hexSHA256(s[len(head):])[:hashed], err
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
