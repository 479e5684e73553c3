// SPDX-License-Identifier: Apache-2.0

//go:build !nowriteahead

package backend

// writeAhead stores the record of an account before the account is made. The build without it exists for the
// benchmark that shows what this costs; it can lose keys.
const writeAhead = true
