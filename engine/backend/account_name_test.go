// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestNameTemplates(t *testing.T) {
	parts := nameParts{RoleName: "Agent", RandomSuffix: "abcdefgh23456", ProjectName: "Größe"}
	for template, want := range map[string]string{
		defaultNameTemplate: "^rt-aaaaaaaa-vault-Agent-abcdefgh23456$",
		"{{.RoleName}}":     "^rt-aaaaaaaa-Agent-abcdefgh23456$",
		"{{.ProjectName | lowercase}}-{{.RandomSuffix}}":                 "^rt-aaaaaaaa-größe-abcdefgh23456$",
		"{{.ProjectName | truncate 4}}":                                  "^rt-aaaaaaaa-Grö-abcdefgh23456$",
		"{{.ProjectName | truncate 3}}":                                  "^rt-aaaaaaaa-Gr-abcdefgh23456$",
		"{{uppercase .RoleName | replace \"AG\" \"x\"}}":                 "^rt-aaaaaaaa-xENT-abcdefgh23456$",
		"{{.RoleName | truncate_sha256 9}}":                              "^rt-aaaaaaaa-Agent-abcdefgh23456$",
		"{{\"long enough\" | truncate_sha256 10}}":                       "^rt-aaaaaaaa-lo[0-9a-f]{8}-abcdefgh23456$",
		"{{.RoleName | sha256}}":                                         "^rt-aaaaaaaa-[0-9a-f]{64}-abcdefgh23456$",
		"{{.RoleName | base64}}":                                         "^rt-aaaaaaaa-QWdlbnQ=-abcdefgh23456$",
		"{{random 9}}":                                                   "^rt-aaaaaaaa-[0-9A-Za-z]{9}-abcdefgh23456$",
		"{{unix_time}}{{unix_time_millis}}":                              "^rt-aaaaaaaa-[0-9]{23}-abcdefgh23456$",
		"{{timestamp \"2006\"}}":                                         "^rt-aaaaaaaa-[0-9]{4}-abcdefgh23456$",
		"{{uuid}}":                                                       "^rt-aaaaaaaa-[0-9a-f-]{36}-abcdefgh23456$",
		"{{if eq .RoleName \"Agent\"}}a{{else}}b{{end}}":                 "^rt-aaaaaaaa-a-abcdefgh23456$",
		"{{if and .RoleName (not (eq .ProjectName .RoleName))}}a{{end}}": "^rt-aaaaaaaa-a-abcdefgh23456$",
		"{{.RandomSuffix | truncate 3}}":                                 "^rt-aaaaaaaa-abc-abcdefgh23456$",
	} {
		name, err := accountName(template, "rt-aaaaaaaa-", parts)
		if err != nil || !regexp.MustCompile(want).MatchString(name) {
			t.Errorf("%s: %q, %v; want %s", template, name, err, want)
		}
	}
}

func TestBadNameTemplatesAreRefused(t *testing.T) {
	for template, want := range map[string]string{
		"":                              "must not be empty",
		"  ":                            "must not be empty",
		"{{.RoleName":                   "service_account_name_template is invalid",
		"{{.Role}}":                     "unknown variable .Role: there are .RoleName, .RandomSuffix and .ProjectName",
		"{{.RoleName.Size}}":            "unknown variable .RoleName.Size",
		"{{if false}}{{.Nope}}{{end}}x": "unknown variable .Nope",
		"{{if .RoleName}}{{else}}{{.Nope}}{{end}}": "unknown variable .Nope",
		"{{with .RoleName}}{{.}}{{end}}":           "is not permitted",
		"{{range 999999999}}x{{end}}":              "is not permitted",
		"{{.}}":                                    "is not permitted",
		"{{$}}":                                    "is not permitted",
		"{{$x := .RoleName}}{{$x}}":                "variables of its own are not permitted",
		"{{define \"a\"}}x{{end}}y":                "define and block are not permitted",
		"{{template \"name\"}}":                    "is not permitted",
		"{{printf \"%999999d\" 1}}":                `function "printf" is not permitted`,
		"{{print .RoleName .RoleName}}":            `function "print" is not permitted`,
		"{{call .RoleName}}":                       `function "call" is not permitted`,
		"{{random 999999999}}":                     "number 999999999 is not between",
		"{{random 0}}":                             "random needs a length",
		"{{exec \"id\"}}":                          "not defined",
		"{{if false}}x{{end}}":                     "it gives an empty name",
		"{{/* nothing */}}":                        "it gives an empty name",
		"a\nb":                                     "control characters",
		strings.Repeat("x", 150):                   "more than 160",
		strings.Repeat("x", 1025):                  "it has 1025 bytes",
		"{{\"a\" | replace \"a\" \"" + strings.Repeat("b", 640) + "\" | replace \"b\" \"" + strings.Repeat("c", 300) + "\"}}": "too long",
		"{{\"a\"" + strings.Repeat("|base64", 100) + "}}":                                                                     "more than 640 bytes",
	} {
		if err := checkNameTemplate(template, "agent"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", template, err, want)
		}
	}
}

func TestNamesDoNotRepeat(t *testing.T) {
	for _, template := range []string{defaultNameTemplate, "{{.RoleName}}", "fixed"} {
		seen := map[string]bool{}
		for range 1000 {
			name, err := accountName(template, "rt-aaaaaaaa-", nameParts{"agent", newSuffix(), "p"})
			if err != nil || seen[name] {
				t.Fatalf("%s: %q, %v", template, name, err)
			}
			seen[name] = true
		}
	}
}

// The seeds are in testdata/fuzz/FuzzNameTemplate.
func FuzzNameTemplate(f *testing.F) {
	f.Fuzz(func(t *testing.T, template, role, project string) {
		parts := nameParts{role, newSuffix(), project}
		name, err := accountName(template, "rt-aaaaaaaa-", parts)
		if err != nil {
			return
		}
		if len(name) > maxName || !strings.HasPrefix(name, "rt-aaaaaaaa-") || !strings.Contains(name, parts.RandomSuffix) {
			t.Errorf("name %q", name)
		}
		if strings.ContainsFunc(name, unicode.IsControl) {
			t.Errorf("control characters in %q", name)
		}
		if utf8.ValidString(template) && utf8.ValidString(role) && utf8.ValidString(project) && !utf8.ValidString(name) {
			t.Errorf("name %q is not UTF-8", name)
		}
	})
}
