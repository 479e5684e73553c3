#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh OUT: builds the plugin as a static, reproducible binary and prints its sha256, which the plugin catalog asks for.
# VERSION overrides the version it reports; GOOS and GOARCH cross-compile.
set -eu
out=${1:?usage: build.sh OUT}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"
flags="-s -w -buildid="
[ -z "${VERSION:-}" ] || flags="$flags -X pulumi-riptides/engine/version.Number=$VERSION"
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$flags" -o "$out" ./cmd/riptides-openai-engine
if command -v sha256sum >/dev/null; then sha256sum "$out" | cut -d ' ' -f 1; else shasum -a 256 "$out" | cut -d ' ' -f 1; fi
