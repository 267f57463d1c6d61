#!/usr/bin/env bash
# Builds the images that the cluster needs into bin/, without a registry: the
# extension's own from our static binary, PostgreSQL for the demo from Debian's
# packages.
set -euo pipefail
cd "$(dirname "$0")/.."
deploy/image/build.sh bin/holdfast-agent.tar >/dev/null
ln -sf "$(bin/devcluster postgres-image)" bin/postgres.tar
