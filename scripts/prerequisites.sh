#!/usr/bin/env bash
# Installs what building and testing needs and the machine lacks. Prints only
# what it does. The cluster installs its own packages when it is started.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v mkfs.ext4 >/dev/null || missing+=(e2fsprogs)
command -v mkfs.xfs >/dev/null || missing+=(xfsprogs)
if ! command -v go >/dev/null; then
  echo "Go 1.26 or newer is needed: see https://go.dev/doc/install" >&2
  exit 1
fi
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "missing: ${missing[*]}; install them, or run as root" >&2
    exit 1
  fi
  echo "installing ${missing[*]}"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
scripts/postgres.sh >/dev/null
