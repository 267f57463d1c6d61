#!/usr/bin/env bash
# Prints the folder of PostgreSQL's server programs, as Debian's package
# postgresql installs them; installs it where it is missing. Its own cluster, which
# Debian would make and start, is not wanted: tests start servers of their own.
set -euo pipefail
programs() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | while read -r dir; do [ ! -x "$dir/postgres" ] || echo "$dir"; done | tail -n 1; }
found=$(programs)
if [ -z "$found" ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "PostgreSQL is missing: install the package postgresql, or run as root" >&2
    exit 1
  fi
  echo "installing postgresql" >&2
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2
  apt-get install -y -qq --no-install-recommends postgresql >/dev/null
  found=$(programs)
fi
echo "${found:?the package postgresql brought no server}"
