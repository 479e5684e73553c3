// SPDX-License-Identifier: Apache-2.0

//go:build nowriteahead

package backend

// writeAhead is off in this build, which is for the benchmark only: it can lose keys.
const writeAhead = false
