#!/usr/bin/env bash
# Prints the path of a test server's program, compiled once from the Go module
# test/NAME/server and kept in the cache: scripts/server.sh s3|gcs|vault. The first
# time takes a minute or two on two cores.
set -euo pipefail
cd "$(dirname "$0")/../test/$1/server"
key=$(find . -maxdepth 1 -type f | sort | xargs cat | sha256sum | cut -c1-16)
cache=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}/servers
program=$cache/$1-$key
if [ ! -x "$program" ]; then
  mkdir -p "$cache"
  exec 9>"$program.lock"
  flock 9
  if [ ! -x "$program" ]; then
    echo "compiling the test server $1 (once)" >&2
    CGO_ENABLED=0 GOFLAGS= go build -buildvcs=false -trimpath -ldflags "-s -w" -o "$program.new" tool
    mv "$program.new" "$program"
  fi
fi
echo "$program"
