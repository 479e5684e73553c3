// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// strict makes every operation of a path refuse what it would not take notice of: a misspelt ttl must not pass, nor one
// that is rounded to nothing.
func strict(path *framework.Path) *framework.Path {
	for operation, handler := range path.Operations {
		properties := handler.Properties()
		path.Operations[operation] = &framework.PathOperation{
			Callback:                    refuse(taken(path, operation), handler.Handler()),
			Summary:                     properties.Summary,
			ForwardPerformanceStandby:   properties.ForwardPerformanceStandby,
			ForwardPerformanceSecondary: properties.ForwardPerformanceSecondary,
		}
	}
	return path
}

// taken gives the fields that one operation of a path takes: a write all but those for queries, any other only those,
// and each the ones that are part of the path.
func taken(path *framework.Path, operation logical.Operation) map[string]*framework.FieldSchema {
	writes := operation == logical.CreateOperation || operation == logical.UpdateOperation
	fields := map[string]*framework.FieldSchema{}
	for name, field := range path.Fields {
		if name == "force" && operation == logical.ReadOperation {
			continue // reading forces nothing
		}
		if field.Query != writes || strings.Contains(path.Pattern, "(?P<"+name+">") {
			fields[name] = field
		}
	}
	return fields
}

func refuse(fields map[string]*framework.FieldSchema, next framework.OperationFunc) framework.OperationFunc {
	return func(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
		var unknown []string
		for name := range req.Data {
			if fields[name] == nil {
				unknown = append(unknown, fmt.Sprintf("%q", name))
			}
		}
		if len(unknown) > 0 {
			slices.Sort(unknown)
			known := "it takes none"
			if len(fields) > 0 {
				known = "it takes " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
			}
			return logical.ErrorResponse("unknown field %s on %s: %s", strings.Join(unknown, ", "), req.Path, known), nil
		}
		for name, value := range req.Data {
			if fields[name].Type != framework.TypeDurationSecond || value == nil {
				continue
			}
			if d, err := parseutil.ParseDurationSecond(value); err == nil && d%time.Second != 0 {
				return logical.ErrorResponse("%s must be whole seconds (got %s)", name, d), nil
			}
		}
		return next(ctx, req, d)
	}
}
