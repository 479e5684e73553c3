// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// strict makes every operation of a path refuse fields that the path does not have: a misspelt ttl must not pass.
func strict(path *framework.Path) *framework.Path {
	for operation, handler := range path.Operations {
		properties := handler.Properties()
		path.Operations[operation] = &framework.PathOperation{
			Callback:                    refuseUnknown(path.Fields, handler.Handler()),
			Summary:                     properties.Summary,
			ForwardPerformanceStandby:   properties.ForwardPerformanceStandby,
			ForwardPerformanceSecondary: properties.ForwardPerformanceSecondary,
		}
	}
	return path
}

func refuseUnknown(fields map[string]*framework.FieldSchema, next framework.OperationFunc) framework.OperationFunc {
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
		return next(ctx, req, d)
	}
}
