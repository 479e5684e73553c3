// SPDX-License-Identifier: Apache-2.0

// Package version holds the version that the plugin reports about itself.
package version

// Number is the semantic version without "v"; a build overrides it with
// -ldflags "-X pulumi-riptides/engine/version.Number=1.2.3".
var Number = "0.1.0"
