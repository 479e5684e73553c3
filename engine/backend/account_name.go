// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"
)

const (
	defaultNameTemplate = "vault-{{.RoleName}}-{{.RandomSuffix}}"
	maxTemplate         = 1024
	maxName             = 160
)

// nameParts are the variables of a name template.
type nameParts struct {
	RoleName     string
	RandomSuffix string
	ProjectName  string
}

func newSuffix() string { return randomWord(8) }

// accountName renders a name: the mount's mark, the template, and the random suffix unless the template has it
// already. No two accounts of a mount share a name, so one whose creation got lost can be found by it.
func accountName(text, mark string, parts nameParts) (string, error) {
	tmpl, err := parseNameTemplate(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := tmpl.Execute(&out, parts); err != nil {
		return "", invalidTemplate(err)
	}
	rendered := out.String()
	if strings.TrimSpace(rendered) == "" {
		return "", invalidTemplate(errors.New("it gives an empty name"))
	}
	if strings.ContainsFunc(rendered, unicode.IsControl) {
		return "", invalidTemplate(errors.New("it gives a name with control characters"))
	}
	name := mark + rendered
	if !strings.Contains(rendered, parts.RandomSuffix) {
		name += "-" + parts.RandomSuffix
	}
	if len(name) > maxName {
		return "", invalidTemplate(fmt.Errorf("it gives a name of %d bytes, more than %d", len(name), maxName))
	}
	return name, nil
}

func invalidTemplate(err error) error {
	return fmt.Errorf("service_account_name_template is invalid: %w", err)
}

// checkNameTemplate finds what is wrong with a template before a key depends on it.
func checkNameTemplate(text, role string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("service_account_name_template must not be empty")
	}
	_, err := accountName(text, "", nameParts{RoleName: role, RandomSuffix: newSuffix(), ProjectName: "project"})
	return err
}

func parseNameTemplate(text string) (*template.Template, error) {
	if len(text) > maxTemplate {
		return nil, invalidTemplate(fmt.Errorf("it has %d bytes, more than %d", len(text), maxTemplate))
	}
	tmpl, err := template.New("name").Funcs(nameFunctions).Parse(text)
	if err != nil {
		return nil, invalidTemplate(err)
	}
	if len(tmpl.Templates()) > 1 {
		return nil, invalidTemplate(errors.New("define and block are not permitted"))
	}
	if tmpl.Tree == nil {
		return nil, invalidTemplate(errors.New("it gives an empty name"))
	}
	if err := walk(tmpl.Root); err != nil {
		return nil, invalidTemplate(err)
	}
	return tmpl, nil
}

var nameVariables = map[string]bool{"RoleName": true, "RandomSuffix": true, "ProjectName": true}

// permitted are the built-in functions that cannot make text grow.
var permitted = map[string]bool{"eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true, "and": true, "or": true, "not": true}

// walk checks every part of a template, also those that one rendering would not reach.
func walk(node parse.Node) error {
	var parts []parse.Node
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil {
			parts = n.Nodes
		}
	case *parse.ActionNode:
		parts = []parse.Node{n.Pipe}
	case *parse.IfNode:
		parts = []parse.Node{n.Pipe, n.List, n.ElseList}
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		if len(n.Decl) > 0 {
			return errors.New("variables of its own are not permitted")
		}
		for _, c := range n.Cmds {
			parts = append(parts, c)
		}
	case *parse.CommandNode:
		parts = n.Args
	case *parse.FieldNode:
		if len(n.Ident) != 1 || !nameVariables[n.Ident[0]] {
			return fmt.Errorf("unknown variable .%s: there are .RoleName, .RandomSuffix and .ProjectName", strings.Join(n.Ident, "."))
		}
	case *parse.IdentifierNode:
		if nameFunctions[n.Ident] == nil && !permitted[n.Ident] {
			return fmt.Errorf("function %q is not permitted", n.Ident)
		}
	case *parse.NumberNode:
		if !n.IsInt || n.Int64 < 0 || n.Int64 > maxName {
			return fmt.Errorf("number %s is not between 0 and %d", n.Text, maxName)
		}
	case *parse.TextNode, *parse.StringNode, *parse.BoolNode, *parse.CommentNode:
	default:
		return fmt.Errorf("%q is not permitted", node)
	}
	for _, part := range parts {
		if err := walk(part); err != nil {
			return err
		}
	}
	return nil
}
